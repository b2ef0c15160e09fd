"""Where a plugin's code lies, seen as an `importlib_metadata.Distribution`, whatever form it has.

Only metadata is read here: no plugin is imported to find out what it is.
"""

from __future__ import annotations

import enum
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tomli
from importlib_metadata import Distribution, EntryPoint

PLUGINS: Final = "hub.plugins"
PREFIX: Final = "hub_plugin_"
_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_VERSION: Final = re.compile(r"""(?im)^(?:__version__|version)(?: ?: ?str)? *= *(['"])v?(?P<version>.+?)\1""")


class SourceError(ValueError):
    """The metadata of a distribution cannot be used; the text says why."""


class Kind(enum.IntEnum):
    """The forms of a source; of one name the smallest wins."""

    FILE = 0
    TREE = 1
    INSTALLED = 2

    def __str__(self) -> str:
        return ("file", "source tree", "installed")[self]


@dataclass(frozen=True, slots=True)
class Source:
    """One plugin that could be loaded.

    location: the file, the tree's folder, or the folder that it is installed in. base: the folder that holds
    its top-level module. module: dotted name. version: the distribution's when it was found, for another may
    lie there since; of a single file the first digits of its content's hash. entry_points: all of the
    distribution's. watched: being there enables it.
    """

    name: str
    kind: Kind
    location: Path
    base: Path
    module: str
    distribution: Distribution
    version: str
    entry_points: tuple[EntryPoint, ...]
    watched: bool = False

    @property
    def top(self) -> str:
        """The top-level module, with which all of the plugin's modules come and go."""
        return self.module.partition(".")[0]

    @property
    def folder(self) -> Path:
        """Where its modules lie, and what belongs to them: its package, or what holds its one module."""
        package = self.base / self.top
        return package if package.is_dir() else self.base

    def shown(self, path: str | Path) -> str:
        """A path inside the source as its author would name it."""
        path = Path(path)
        return str(path.relative_to(self.base)) if path.is_relative_to(self.base) else str(path)

    def files(self) -> Iterator[Path]:
        """Its modules and the data beside them, and for a tree its pyproject.toml."""
        if self.kind is Kind.FILE:
            yield self.location
            return
        if self.kind is Kind.TREE:
            yield self.location / "pyproject.toml"
        package = self.base / self.top
        if not package.is_dir():
            yield package.with_suffix(".py")
            return
        for folder, folders, names in os.walk(package):
            folders[:] = sorted(
                name for name in folders if name != "__pycache__" and not name.startswith(".")
            )
            yield from (Path(folder, name) for name in sorted(names) if not _is_litter(name))

    def digest(self) -> str:
        """A hash of all content. OSError if a file goes away meanwhile."""
        total = hashlib.sha256(f"{self.version}\0{self.module}".encode())
        for group, name, value in sorted((e.group, e.name, e.value) for e in self.entry_points):
            total.update(f"\0{group}\0{name}\0{value}".encode())
        for file in self.files():
            content = file.read_bytes()
            total.update(f"\0{file.relative_to(self.location.parent)}\0{len(content)}\0".encode())
            total.update(content)
        return total.hexdigest()


def _is_litter(name: str) -> bool:
    """What editors and Python leave beside the files."""
    return name.startswith(".") or name.endswith((".pyc", "~", ".swp", ".tmp"))


class FileDistribution(Distribution):
    """One `.py` file is one plugin, named after the file."""

    def __init__(self, file: Path) -> None:
        self._name = file_plugin_name(file)
        self._file = file
        self._version = hashlib.sha256(file.read_bytes()).hexdigest()[:8]

    @property
    def version(self) -> str:
        """Without METADATA being parsed, which a scan would pay for with every plugin."""
        return self._version

    @property
    def requires(self) -> list[str] | None:
        """A file can say of nothing that it needs it."""
        return None

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        """METADATA and entry_points.txt as if it were installed."""
        if str(filename) == "METADATA":
            return f"Metadata-Version: 2.1\nName: hub-plugin-{self._name}\nVersion: {self._version}\n"
        if str(filename) == "entry_points.txt":
            return f"[{PLUGINS}]\n{self._name} = {module_name(self._name)}\n"
        return None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """A path beside the file."""
        return self._file.parent / path


class TreeDistribution(Distribution):
    """A source tree with a pyproject.toml (PEP 621), neither built nor installed.

    told_by: the files inside of it that say what it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            document = tomli.loads((root / "pyproject.toml").read_text("utf-8"))
        except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SourceError(str(error)) from None
        project = document.get("project")
        if not isinstance(project, dict) or not isinstance(project.get("name"), str):
            raise SourceError("it has no [project] table with a name")
        self._project = project
        self._version, place = _tree_version(root, document, project)
        self.told_by = ("pyproject.toml", *((place,) if place else ()))

    @property
    def version(self) -> str:
        """Without METADATA being parsed, which a scan would pay for with every plugin."""
        return self._version

    def read_text(self, filename: str | os.PathLike[str]) -> str | None:
        """METADATA and entry_points.txt as a build would write them."""
        if str(filename) == "METADATA":
            needs = "".join(f"Requires-Dist: {needed}\n" for needed in self._project.get("dependencies", ()))
            return f"Metadata-Version: 2.1\nName: {self._project['name']}\nVersion: {self._version}\n{needs}"
        if str(filename) == "entry_points.txt":
            groups = self._project.get("entry-points", {})
            if not isinstance(groups, Mapping) or not all(
                isinstance(group, Mapping) for group in groups.values()
            ):
                raise SourceError("[project.entry-points] does not consist of tables")
            return "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
                for group, entries in groups.items()
            )
        return None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """A path inside the tree, `src/` seen through."""
        src = self._root / "src"
        return (src if (src / path).exists() else self._root) / path


def _tree_version(
    root: Path, document: Mapping[str, object], project: Mapping[str, object]
) -> tuple[str, str | None]:
    """The version, and the file that it stands in if it is dynamic: hatch is told of that; never executed."""
    if isinstance(version := project.get("version"), str):
        return version, None
    table: object = document
    for key in ("tool", "hatch", "version", "path"):
        table = table.get(key) if isinstance(table, Mapping) else None
    if not isinstance(table, str):
        return "0", None
    try:
        found = _VERSION.search((root / table).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return "0", table
    return (found["version"] if found else "0"), table


def module_name(plugin: str) -> str:
    """The module of the plugin `deny-list` is `hub_plugin_deny_list`."""
    return PREFIX + plugin.replace("-", "_")


def file_plugin_name(file: Path) -> str:
    """`deny_list.py` is the plugin `deny-list`, and so is `hub_plugin_deny_list.py`. SourceError."""
    name = file.stem.removeprefix(PREFIX).replace("_", "-")
    return check_name(name)


def check_name(name: str) -> str:
    """SourceError if no plugin can have this name."""
    if not _NAME.match(name):
        raise SourceError(
            f"'{name}' is no name for a plugin: lower case, digits and hyphens, such as 'deny-list'"
        )
    return name


def sources_of(distribution: Distribution, kind: Kind, location: Path, *, watched: bool) -> list[Source]:
    """The plugins of a distribution, none if it is something else. SourceError."""
    entries = tuple(distribution.entry_points)
    found = _Found(distribution, kind, location, entries, watched)
    return [_source(entry, found) for entry in entries if entry.group == PLUGINS]


@dataclass(frozen=True, slots=True)
class _Found:
    """What all plugins of a distribution have in common."""

    distribution: Distribution
    kind: Kind
    location: Path
    entries: tuple[EntryPoint, ...]
    watched: bool


def _source(entry: EntryPoint, found: _Found) -> Source:
    distribution, kind, location = found.distribution, found.kind, found.location
    check_name(entry.name)
    if entry.attr:
        raise SourceError(f"{entry.name} = '{entry.value}' must name a module, not something inside of it")
    top = entry.module.partition(".")[0]
    made = (entry.module, distribution, distribution.version, found.entries, found.watched)
    if kind is Kind.FILE:
        return Source(entry.name, kind, location, location.parent, *made)
    for form in (f"{top}/__init__.py", f"{top}.py"):
        file = Path(str(distribution.locate_file(form)))
        if file.is_file():
            base = file.parents[form.count("/")]
            return Source(entry.name, kind, location, base, *made)
    raise SourceError(f"{entry.name} = '{entry.value}', but there is neither {top}.py nor {top}/__init__.py")
