"""What a plugin is made of that cannot be imported twice: libraries, and modules in C."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Final

from hub.loading import installed
from hub.loading.importing import Loaded
from hub.loading.sources import Source

_REQUIREMENT: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?![^;]*;.*\bextra\b)")


def versions(sources: Iterable[Source]) -> dict[str, str]:
    """Distribution → version, as a new process would find it, of all that the sources ask for by name."""
    names = {name for source in sources for name in _required(source)}
    found = {name: installed.version(name) for name in names}
    return {name: version for name, version in found.items() if version}


def outdated(imported: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """A sentence for each library whose version is no longer the one that was imported."""
    return [
        f"{name} {version}, of which {imported[name]} is imported"
        for name, version in sorted(found.items())
        if imported.get(name, version) != version
    ]


def has_extensions(loaded: Loaded) -> bool:
    """Whether it has modules in C, which a process imports once."""
    return any(
        (getattr(module, "__file__", None) or "").endswith(tuple(EXTENSION_SUFFIXES))
        for module in loaded.modules.values()
    )


def _required(source: Source) -> Iterator[str]:
    for line in installed.requires(source.distribution):
        match = _REQUIREMENT.match(line)
        if match and match[1].lower() != "mail-hub":
            yield re.sub(r"[-_.]+", "-", match[1]).lower()
