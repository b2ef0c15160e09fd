"""The drivers that the config chose, for whoever needs more than one of them."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.blobs import Blobs
from hub.services.clock import Clock
from hub.services.directory import Directory
from hub.services.dns import Dns
from hub.services.search import Search
from hub.services.storage import Storage


@dataclass(slots=True)
class Services:
    """One driver per choose-one seam; `search` is None where none is chosen.

    `directory` and `search` may be replaced by a reload.
    Read it anew for every transaction.
    """

    storage: Storage
    blobs: Blobs
    directory: Directory
    clock: Clock
    dns: Dns
    search: Search | None = None
