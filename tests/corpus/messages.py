"""All messages of the corpus by name; they were made here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tests.corpus.headers import HEADERS
from tests.corpus.lines import LINES
from tests.corpus.mime import MIME

MESSAGES: Final[Mapping[str, bytes]] = MappingProxyType({**LINES, **MIME, **HEADERS})
