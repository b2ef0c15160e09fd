"""A plugin where its author works on it: a source tree, or one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import tomli

from hub.loading.drivers import SERVICES, driver_module
from hub.loading.sources import (
    PLUGINS,
    FileDistribution,
    Kind,
    Source,
    SourceError,
    TreeDistribution,
    sources_of,
)

DEFAULTS: Final = {"storage": "storage-sql", "blobs": "blobs-segment", "directory": "directory-sql"}
"""Service → the driver that a hub takes where the plugin brings none."""


@dataclass(frozen=True, slots=True)
class Project:
    """One plugin. settings: what it is tried with, `[tool.hub.settings]` in its pyproject.toml."""

    source: Source
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The plugin's."""
        return self.source.name

    @property
    def root(self) -> Path:
        """The folder of the tree, or that of the file."""
        location = self.source.location
        return location.parent if self.source.kind is Kind.FILE else location

    @property
    def module_file(self) -> Path:
        """Where its module begins."""
        source = self.source
        if source.kind is Kind.FILE:
            return source.location
        package = source.base / source.top / "__init__.py"
        return package if package.is_file() else source.base / f"{source.top}.py"

    @property
    def drives(self) -> tuple[str, ...]:
        """The services that it has a driver for."""
        return tuple(service for service in SERVICES if driver_module(self.source, service))

    def tables(
        self,
        settings: Mapping[str, object] | None = None,
        more: Mapping[str, Mapping[str, object]] | None = None,
    ) -> dict[str, object]:
        """The configuration that tries it, its own drivers chosen.

        settings: over those of the project. more: other tables, key by key over these.
        """
        services = DEFAULTS | dict.fromkeys(self.drives, self.name)
        listed = [*dict.fromkeys(services.values()), self.name]
        filled = {**self.settings, **(settings or {})}
        tables: dict[str, object] = {
            "hub": {"plugins": list(dict.fromkeys(listed))},
            "services": services,
            "plugins": {self.name: filled} if filled else {},
        }
        for name, table in (more or {}).items():
            tables[name] = {**cast("Mapping[str, object]", tables.get(name, {})), **table}
        return tables


def open_project(path: Path) -> Project:
    """The plugin in a folder with a pyproject.toml, or in a `.py` file. SourceError says what is wrong."""
    path = path.absolute()
    if path.is_file() and path.suffix == ".py":
        found = sources_of(FileDistribution(path), Kind.FILE, path, watched=False)
        return Project(found[0])
    if not (path / "pyproject.toml").is_file():
        said = "is neither a .py file nor a folder with a pyproject.toml"
        raise SourceError(f"{path} {said if path.exists() else 'is not there'}. See: hub plugins new")
    try:
        found = sources_of(TreeDistribution(path), Kind.TREE, path, watched=False)
    except SourceError as error:
        raise SourceError(f"{path / 'pyproject.toml'}: {error}") from None
    if not found:
        said = 'it has no entry point in [project.entry-points."hub.plugins"], so it is no plugin'
        raise SourceError(f"{path / 'pyproject.toml'}: {said}. See: hub plugins new")
    if len(found) > 1:
        names = ", ".join(source.name for source in found)
        raise SourceError(f"{path / 'pyproject.toml'}: one distribution is one plugin, and this has {names}")
    return Project(found[0], _settings(path / "pyproject.toml"))


def find_project(test: Path) -> Project | None:
    """The plugin that a test file belongs to: of the nearest pyproject.toml that has one, else of the file
    `nobody.py` beside `test_nobody.py`, or one folder up.
    """
    for folder in test.absolute().parents:
        pyproject = folder / "pyproject.toml"
        if pyproject.is_file():
            if PLUGINS in pyproject.read_text("utf-8"):
                return open_project(folder)
            break
    name = f"{test.stem.removeprefix('test_')}.py"
    files = (folder / name for folder in test.absolute().parents[:2])
    return next((open_project(file) for file in files if file.is_file() and file != test), None)


def _settings(pyproject: Path) -> Mapping[str, object]:
    tool: object = tomli.loads(pyproject.read_text("utf-8"))
    for key in ("tool", "hub", "settings"):
        tool = tool.get(key, {}) if isinstance(tool, Mapping) else {}
    return tool if isinstance(tool, Mapping) else {}
