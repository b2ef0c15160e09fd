"""What a plugin's source tree says of itself in pyproject.toml and README.md, and whether that agrees."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from hub.loading.sources import SourceError
from hub.registry.index import PREFIX
from hub.testing.checking.metadata import metadata_faults
from hub.testing.project import Project as Plugin
from hub.testing.project import open_project
from hub_registry.entries import Entry, RegistryFault


@dataclass(frozen=True, slots=True)
class Project:
    """One source tree. plugin: as its author's tools see it; readme: its text, in Markdown."""

    entry: Entry
    plugin: Plugin
    summary: str
    licence: str
    readme: str = field(repr=False)

    @property
    def name(self) -> str:
        """The plugin's, by its entry point."""
        return self.plugin.name

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return PREFIX + self.name

    @property
    def tests(self) -> Path:
        """Where its own tests are."""
        return self.entry.source / "tests"


def read(entry: Entry) -> Project:
    """The project of an entry. RegistryFault if there is none, or if it is no plugin's."""
    try:
        plugin = open_project(entry.source)
        table = tomllib.loads((entry.source / "pyproject.toml").read_text("utf-8"))["project"]
        readme = entry.source / "README.md"
        text = readme.read_text("utf-8") if readme.is_file() else ""
    except (OSError, UnicodeDecodeError, SourceError) as error:
        raise RegistryFault(f"{entry.shown}: {error}") from None
    return Project(entry, plugin, str(table.get("description", "")), str(table.get("license", "")), text)


def problems(project: Project) -> list[str]:
    """A sentence for each way in which its names, its README and its metadata do not agree."""
    faults = metadata_faults(project.plugin)
    return [f"{project.entry.shown}/{fault}" for fault in faults if not fault.is_warning]
