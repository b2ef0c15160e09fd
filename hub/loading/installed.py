"""What the metadata of installed distributions say, read anew only where something was written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from importlib_metadata import Distribution

from hub.loading.sources import PLUGINS

_FILES: Final = ("", "METADATA", "entry_points.txt", "RECORD", "direct_url.json")

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Inode, time of change and size of each of `_FILES`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one distribution.

    is_plugin: whether it says that it has any. wrong: why it cannot be used. tree: the source tree that it
    stands for, as it was installed (PEP 610, PEP 660).
    """

    name: str = ""
    is_plugin: bool = False
    wrong: str | None = None
    tree: Path | None = None


_NO_PLUGIN: Final = Facts()

_KNOWN: Final[dict[str, tuple[Stamp, Facts]]] = {}
"""By the folder of the metadata, from one scan of this process to the next; what is in it never changes."""


def facts(distribution: Distribution) -> Facts:
    """What its metadata say now. ValueError and OSError where they are no metadata at all."""
    place = getattr(distribution, "_path", None)
    if not isinstance(place, Path):
        return _facts(distribution)
    stamp = tuple(_stamp(os.path.join(place, name)) for name in _FILES)
    known = _KNOWN.get(str(place))
    if known is None or known[0] != stamp:
        known = _KNOWN[str(place)] = (stamp, _facts(distribution))
    return known[1]


def why_unreadable(distribution: Distribution) -> str | None:
    """What is wrong with the metadata of something installed, None if it can be used."""
    try:
        usable = distribution.name, distribution.version, distribution.entry_points, distribution.files
    except Exception as error:  # the library raises what its parsers raise
        place = getattr(distribution, "_path", "an installed distribution")
        return f"the metadata of {place} cannot be read: {type(error).__name__}: {error}"
    return None if all(usable[:2]) else "an installed distribution has no name or no version"


def _facts(distribution: Distribution) -> Facts:
    if PLUGINS not in (distribution.read_text("entry_points.txt") or ""):
        return _NO_PLUGIN
    if wrong := why_unreadable(distribution):
        return Facts(is_plugin=True, wrong=wrong)
    return Facts(distribution.name, True, None, _editable(distribution))


def _editable(distribution: Distribution) -> Path | None:
    origin: object = json.loads(distribution.read_text("direct_url.json") or "{}")
    match origin:
        case {"url": str(url), "dir_info": {"editable": True}}:
            return Path(unquote(urlsplit(url).path))
    return None


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size
