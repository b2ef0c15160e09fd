"""What the metadata of installed distributions say, read anew only where something was written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from importlib_metadata import Distribution, PackageMetadata, PathDistribution

from hub.loading.sources import PLUGINS, TreeDistribution

_TELLING: Final = ("", "entry_points.txt")
"""What changes where something becomes a plugin: the folder of the metadata, and a file in it."""

_FILES: Final = (*_TELLING, "METADATA", "RECORD", "direct_url.json")

_TREE: Final = ("pyproject.toml",)

Stamp: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Inode, time of change and size of each of some files."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one distribution.

    is_plugin: whether it says that it has any. wrong: why it cannot be used. tree: the source tree that it
    stands for, as it was installed (PEP 610, PEP 660). requires: what it depends on (PEP 508).
    """

    name: str = ""
    is_plugin: bool = False
    wrong: str | None = None
    tree: Path | None = None
    requires: tuple[str, ...] = ()


_NO_PLUGIN: Final = Facts()


class _Parsed(PathDistribution):
    """Each of its properties would parse METADATA anew."""

    @cached_property
    def metadata(self) -> PackageMetadata:
        parsed: PackageMetadata = super().metadata
        return parsed


_KEPT: Final = 1024
"""Answers kept for the whole process, by folder and stamp. That is taken before anything is read: what is
written meanwhile is found next time. Under load each system call of a thread costs a turn of Python's lock,
so a look makes few of them.
"""


def facts(distribution: Distribution) -> Facts:
    """What its metadata say now. ValueError and OSError where they are no metadata at all."""
    place = getattr(distribution, "_path", None)
    if not isinstance(place, Path):
        return _facts(distribution)
    telling = _stamp(place, _TELLING)
    if not _is_plugin(place, telling):
        return _NO_PLUGIN
    return _facts_at(place, telling + _stamp(place, _FILES[len(_TELLING) :]))


def requires(distribution: Distribution) -> Iterable[str]:
    """What the distribution of a plugin depends on (PEP 508)."""
    if isinstance(distribution, PathDistribution):
        return facts(distribution).requires
    return distribution.requires or ()


def tree(root: Path) -> TreeDistribution:
    """A source tree as it is now. SourceError and OSError."""
    stamp = _stamp(root, _TREE)
    first = _tree_at(root, stamp)
    others = first.told_by[len(_TREE) :]
    return _tree_at(root, stamp + _stamp(root, others)) if others else first


def version(name: str) -> str | None:
    """The version of an installed distribution, as a new process would find it."""
    distribution = next(iter(Distribution.discover(name=name)), None)
    place = getattr(distribution, "_path", None)
    if distribution is None or not isinstance(place, Path):
        return None if distribution is None else distribution.version
    return _version_at(place, _stamp(place, ("METADATA",)))


def why_unreadable(distribution: Distribution) -> str | None:
    """What is wrong with the metadata of something installed, None if it can be used."""
    try:
        usable = distribution.name, distribution.version, distribution.entry_points, distribution.files
    except Exception as error:  # the library raises what its parsers raise
        place = getattr(distribution, "_path", "an installed distribution")
        return f"the metadata of {place} cannot be read: {type(error).__name__}: {error}"
    return None if all(usable[:2]) else "an installed distribution has no name or no version"


@lru_cache(_KEPT)
def _is_plugin(place: Path, stamp: Stamp) -> bool:
    return PLUGINS in (Distribution.at(place).read_text("entry_points.txt") or "")


@lru_cache(_KEPT)
def _facts_at(place: Path, stamp: Stamp) -> Facts:
    return _facts(_Parsed(place))


@lru_cache(_KEPT)
def _tree_at(root: Path, stamp: Stamp) -> TreeDistribution:
    return TreeDistribution(root)


@lru_cache(_KEPT)
def _version_at(place: Path, stamp: Stamp) -> str:
    return Distribution.at(place).version


def _facts(distribution: Distribution) -> Facts:
    if PLUGINS not in (distribution.read_text("entry_points.txt") or ""):
        return _NO_PLUGIN
    if wrong := why_unreadable(distribution):
        return Facts(is_plugin=True, wrong=wrong)
    requires = tuple(distribution.requires or ())
    return Facts(distribution.name, True, None, _editable(distribution), requires)


def _editable(distribution: Distribution) -> Path | None:
    origin: object = json.loads(distribution.read_text("direct_url.json") or "{}")
    match origin:
        case {"url": str(url), "dir_info": {"editable": True}}:
            return Path(unquote(urlsplit(url).path))
    return None


def _stamp(folder: Path, names: Iterable[str]) -> Stamp:
    return tuple(_stat(os.path.join(folder, name)) for name in names)


def _stat(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size
