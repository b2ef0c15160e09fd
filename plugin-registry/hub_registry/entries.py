"""registry.toml: where each plugin is and what it is about. Everything else is read from the plugin."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TAG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")


class RegistryFault(Exception):
    """Something that keeps a registry from being made; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[plugin]]`. source: its source tree; shown: as the file has it."""

    source: Path
    shown: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class List:
    """The file. entries: in its order; folders: of which every source tree has to be listed."""

    name: str
    entries: tuple[Entry, ...]
    folders: tuple[Path, ...]

    def problems(self) -> list[str]:
        """What is wrong with its order, and what is not listed."""
        shown = [entry.shown for entry in self.entries]
        found = []
        if shown != sorted(set(shown)):
            found.append(f"{self.name}: the plugins are not in the order of their sources, each once")
        there = {project.parent for folder in self.folders for project in folder.glob("*/pyproject.toml")}
        missing = there - {entry.source for entry in self.entries}
        return [
            *found,
            *(f"{self.name}: {each.parent.name}/{each.name} is not listed" for each in sorted(missing)),
        ]


def read(file: Path) -> List:
    """The list. RegistryFault if it is not what it should be."""
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RegistryFault(f"{file.name}: {error}") from None
    folders = tuple((file.parent / folder).resolve() for folder in document.get("folders", ()))
    return List(file.name, tuple(_entry(row, file) for row in document.get("plugin", ())), folders)


def _entry(row: object, file: Path) -> Entry:
    match row:
        case {"source": str(source), "tags": [*tags], **others} if not others:
            if wrong := [tag for tag in tags if not isinstance(tag, str) or not TAG.match(tag)]:
                raise RegistryFault(f"{file.name}: {source}: {wrong[0]!r} is no tag: lower case and hyphens")
            return Entry((file.parent / source).resolve(), source, tuple(tags))
    raise RegistryFault(f"{file.name}: a plugin has a source and a list of tags, and nothing else: {row}")
