"""What is installed beside and inside of the hub: its own packages, and a folder per plugin.

<plugin folder>/
    greylist/                    what `pip install --target` wrote: the plugin and its own libraries
        hub_plugin_greylist.py
        hub_plugin_greylist-0.1.0.dist-info/
    .lock                        held by whoever changes a folder here
    .staging-…/                  the next folder, until it is whole
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from importlib_metadata import Distribution
from packaging.utils import canonicalize_name

from hub.loading.catalogue import scan
from hub.loading.sources import Kind, Source, module_name
from hub.registry.index import RegistryError


@dataclass(frozen=True, slots=True)
class Present:
    """A distribution that can be imported. folder: of the plugin that brought it, None for the hub's own."""

    name: str
    version: str
    requires: tuple[str, ...]
    folder: Path | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def present(parents: Sequence[Path], without: Sequence[Path] = ()) -> Mapping[str, Present]:
    """Canonical name → what an import finds in a hub: its own packages first, then the plugins' folders.

    without: folders of plugins that are left out.
    """
    own = [entry for entry in sys.path if Path(entry).parent not in parents]
    found: dict[str, Present] = {}
    for folder in (None, *plugin_folders(parents)):
        if folder not in without:
            for each in _read(own if folder is None else [str(folder)], folder):
                found.setdefault(canonicalize_name(each.name), each)
    return found


def plugin_folders(parents: Sequence[Path]) -> list[Path]:
    """The folders in the plugin folders that something is installed in."""
    return [
        child
        for parent in parents
        if parent.is_dir()
        for child in sorted(parent.iterdir())
        if not child.name.startswith(".") and child.is_dir() and any(child.glob("*.dist-info"))
    ]


def installed(parents: Sequence[Path]) -> dict[str, Source]:
    """The plugins that were installed into the plugin folders, each in a folder of its own."""
    return {name: source for name, source in scan(parents, path=()).sources.items() if _is_ours(source)}


def folders_of(name: str, parents: Sequence[Path]) -> list[Path]:
    """Where a plugin is installed; in two folders after an upgrade that was killed."""
    return [
        folder
        for folder in plugin_folders(parents)
        if folder.name.startswith(f"{name}-") and any(folder.glob(f"{module_name(name)}-*.dist-info"))
    ]


def where_else(name: str, parents: Sequence[Path]) -> str | None:
    """A sentence if a plugin is there already, but not as we install it."""
    source = scan(parents).sources.get(name)
    if source is None or _is_ours(source):
        return None
    place = f"{source.kind} {source.location}"
    if source.watched:
        return f"{name} is a {place}: it is yours to change or remove"
    return (
        f"{name} {source.version} belongs to the hub's own environment ({place}): "
        "change it there, with pip or uv; here it can be enabled and disabled"
    )


def _is_ours(source: Source) -> bool:
    return (
        source.watched
        and source.kind is Kind.INSTALLED
        and source.location.name == f"{source.name}-{source.version}"
    )


def the_folder(parents: Sequence[Path]) -> Path:
    """The plugin folder to install into, the first. RegistryError if there is none."""
    if not parents:
        raise RegistryError("hub.plugin_dirs is empty, so there is no folder to install into")
    return parents[0]


def _read(path: list[str], folder: Path | None) -> Iterator[Present]:
    for distribution in Distribution.discover(path=path):
        try:
            name, version = distribution.name, distribution.version
            requires = tuple(distribution.requires or ())
        except Exception:  # the library raises what its parsers raise; who cannot be read cannot be imported
            continue
        if name and version:
            yield Present(name, version, requires, folder)
