"""What can be said of a plugin without running it: its names, its README, its tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import tomli

from hub.config.key import Key, nearest
from hub.config.toml_lines import locate
from hub.loading.drivers import SERVICES
from hub.loading.sources import Kind, module_name
from hub.testing.checking.fault import Area, Fault
from hub.testing.project import Project

DRIVERS: Final = tuple(f"hub.{service}" for service in SERVICES)
GROUPS: Final = ("hub.plugins", "hub.commands", "hub.explain", "hub.dns", *DRIVERS)
PYPROJECT: Final = "pyproject.toml"


def metadata_faults(project: Project) -> Iterator[Fault]:
    """Everything that its files say wrongly, or do not say."""
    if project.source.kind is Kind.TREE:
        yield from _Pyproject(project).faults()
        yield from _readme(project)
        if not any((project.root / "tests").rglob("test_*.py")):
            yield Fault("docs", "tests", None, "there are no tests", "See: hub plugins new", is_warning=True)
    yield from _docstring(project)


class _Pyproject:
    """The faults of a pyproject.toml, at their lines."""

    def __init__(self, project: Project) -> None:
        text = (project.root / PYPROJECT).read_text("utf-8")
        self._document = tomli.loads(text)
        self._lines = locate(text)
        self._table: Mapping[str, object] = self._document["project"]
        self._plugin = project

    def faults(self) -> Iterator[Fault]:
        yield from self._names()
        yield from self._groups()
        yield from self._described()

    def _fault(self, area: Area, key: Key, reason: str, hint: str = "", *, is_warning: bool = False) -> Fault:
        return Fault(area, PYPROJECT, self._line(key), reason, hint, is_warning)

    def _line(self, key: Key) -> int | None:
        """Of the key, or of the table that it should stand in."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key)

    def _names(self) -> Iterator[Fault]:
        name, module = self._plugin.name, self._plugin.source.module
        if self._table.get("name") != f"hub-plugin-{name}":
            said = f"the distribution is named '{self._table.get('name')}', but its plugin '{name}'"
            yield self._fault("names", ("project", "name"), said, f'Say: name = "hub-plugin-{name}"')
        if module != module_name(name):
            said = f"the plugin '{name}' is the module '{module}'"
            hint = f'Rename it, and say: {name} = "{module_name(name)}"'
            yield self._fault("names", ("project", "entry-points", "hub.plugins", name), said, hint)

    def _groups(self) -> Iterator[Fault]:
        groups = self._table.get("entry-points", {})
        assert isinstance(groups, Mapping)
        for group, entries in groups.items():
            key = ("project", "entry-points", group)
            if group.startswith("hub.") and group not in GROUPS:
                near = nearest(group, GROUPS)
                hint = f"Did you mean '{near}'?" if near else f"It can be: {', '.join(GROUPS)}"
                yield self._fault("names", key, f"the hub reads no entry points '{group}'", hint)
            elif group in DRIVERS:
                for entry in entries:
                    if entry != self._plugin.name:
                        said = f"a driver has its plugin's name, and '{entry}' is not '{self._plugin.name}'"
                        yield self._fault("names", (*key, entry), said, f"Say: {self._plugin.name} = …")

    def _described(self) -> Iterator[Fault]:
        description = self._table.get("description")
        if not isinstance(description, str) or not description.strip() or "\n" in description:
            said = "there is no description of one line"
            yield self._fault("docs", ("project", "description"), said, "Say what the plugin does")
        if "readme" not in self._table:
            said = "the README is not shipped"
            yield self._fault("docs", ("project", "readme"), said, 'Say: readme = "README.md"')
        for key, wanted in (("license", "MIT"), ("requires-python", ">=3.11")):
            if key not in self._table:
                hint = f'Such as: {key} = "{wanted}"'
                yield self._fault("docs", ("project", key), f"there is no {key}", hint, is_warning=True)
        needed = self._table.get("dependencies", ())
        assert isinstance(needed, list | tuple)
        if not any(str(each).replace("_", "-").lower().startswith("mail-hub") for each in needed):
            said, hint = "it does not require the hub", 'Say: dependencies = ["mail-hub"]'
            yield self._fault("names", ("project", "dependencies"), said, hint)


def _readme(project: Project) -> Iterator[Fault]:
    path = project.root / "README.md"
    if not path.is_file():
        hint = "It says what the plugin does, its settings, and what happens when it fails"
        yield Fault("docs", "README.md", None, "there is no README", hint)
        return
    text = path.read_text("utf-8")
    if text.partition("\n")[0] != f"# hub-plugin-{project.name}":
        yield Fault("docs", "README.md", 1, f"its first line is not '# hub-plugin-{project.name}'")
    if "fail" not in text:
        hint = "Say whether mail waits or goes on: hub hooks NAME prints the rule"
        yield Fault("docs", "README.md", None, "it does not say what happens when it fails", hint, True)


def undocumented(project: Project, keys: Iterator[str]) -> Iterator[Fault]:
    """Settings that the README does not name."""
    path = project.root / "README.md"
    if project.source.kind is not Kind.TREE or not path.is_file():
        return
    text = path.read_text("utf-8")
    for key in keys:
        if not re.search(rf"[`.]{key}\b|\b{key} =", text):
            said = f"it does not name the setting '{key}'"
            yield Fault("docs", "README.md", None, said, f"Add it to the table of [plugins.{project.name}]")


def _docstring(project: Project) -> Iterator[Fault]:
    """Syntax errors are told by the hub that loads it."""
    file = project.module_file
    try:
        docstring = ast.get_docstring(ast.parse(file.read_text("utf-8")))
    except (SyntaxError, UnicodeDecodeError, ValueError):
        return
    if not docstring:
        hint = "Its first line is what hub plugins shows"
        yield Fault("docs", shown(project, file), 1, "the module has no docstring", hint)


def shown(project: Project, path: Path) -> str:
    """A path as the author would type it in the plugin's folder."""
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
