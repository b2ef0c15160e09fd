"""Changing a configuration file in place: comments, order and layout stay, and the diff can be shown.

Only `[hub] plugins` and a plugin's table are changed here, in TOML.
"""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array, InlineTable, Table

from hub.config.find import display
from hub.config.key import quote_part
from hub.config.load import Config
from hub.config.toml_text import dump_value
from hub.config.tree import Origin

PLUGINS: Final = ("hub", "plugins")


class CannotEdit(ValueError):
    """The file is not ours to change; the text says what to write where."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A file before and after."""

    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """What changes, as a unified diff; empty if nothing does."""
        name = display(self.path, Path.cwd())
        lines = (self.before.splitlines(keepends=True), self.after.splitlines(keepends=True))
        return "".join(difflib.unified_diff(*lines, f"{name} (before)", f"{name} (after)", n=1))

    def write(self) -> None:
        """Have the file be what comes after. OSError."""
        _write(self.path, self.after)

    def undo(self) -> None:
        """Have it be what it was. OSError."""
        _write(self.path, self.before)


def enabled(config: Config, name: str, *, watched: bool) -> Edit | None:
    """Have a plugin run; None if it does. watched: it lies in a plugin folder, which enables it."""
    listed = config.settings.hub.plugins
    if name in listed or (watched and f"!{name}" not in listed):
        return None
    without = [each for each in listed if each != f"!{name}"]
    return _listed(config, without if watched else [*without, name])


def disabled(config: Config, name: str, *, watched: bool) -> Edit | None:
    """Have a plugin not run; None if it does not."""
    listed = config.settings.hub.plugins
    if f"!{name}" in listed or (not watched and name not in listed):
        return None
    without = [each for each in listed if each != name]
    return _listed(config, [*without, f"!{name}"] if watched else without)


def forgotten(config: Config, name: str) -> list[Edit]:
    """Have no file speak of a plugin: neither the list nor a table of its own."""
    without = [each for each in config.settings.hub.plugins if each.removeprefix("!") != name]
    edits = [_listed(config, without)] if len(without) < len(config.settings.hub.plugins) else []
    if name not in config.plugin_names():
        return edits
    key = ("plugins", name)
    path = _file(config.origin_at(key), f"remove [plugins.{quote_part(name)}]")
    earlier = next((each for each in edits if each.path == path), None)
    before = earlier.after if earlier else _read(path)
    document = _parsed(path, before)
    tables = document.get("plugins")
    if not isinstance(tables, dict) or name not in tables:
        raise CannotEdit(
            f"{path} names {name} in a way that is not changed here: remove its settings by hand"
        )
    del tables[name]
    if not tables:
        del document["plugins"]
    edit = Edit(path, earlier.before if earlier else before, tomlkit.dumps(document))
    return [*(each for each in edits if each is not earlier), edit]


def _listed(config: Config, names: Sequence[str]) -> Edit:
    line = f"plugins = {dump_value(list(names))}"
    origin = config.origin_at(PLUGINS)
    if origin.source == "default" and config.sources:
        main = config.sources[-1]
        origin = Origin("file", display(main, Path.cwd()), main)
    path = _file(origin, f"write under [hub]: {line}")
    before = _read(path)
    document = _parsed(path, before)
    table = document.setdefault("hub", tomlkit.table())
    if not isinstance(table, Table | InlineTable):
        raise CannotEdit(f"{path}: [hub] is no table that is changed here; write under it: {line}")
    array = table.get("plugins")
    if isinstance(array, Array):
        _change(array, names)
    else:
        table["plugins"] = list(names)
    return Edit(path, before, tomlkit.dumps(document))


def _change(array: Array, names: Sequence[str]) -> None:
    """Item by item, so that what stands between them stays."""
    for index in reversed(range(len(array))):
        if str(array[index]) not in names:
            del array[index]
    there = {str(item) for item in array}
    for name in names:
        if name not in there:
            array.append(name)


def _file(origin: Origin, what: str) -> Path:
    path = origin.file
    if path is None:
        place = origin.name if origin.variable else "there is no configuration file (hub init writes one)"
        raise CannotEdit(f"{place}: {what}")
    if path.suffix != ".toml":
        raise CannotEdit(f"{origin}: only TOML is changed here; {what}")
    return path.resolve()


def _parsed(path: Path, text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise CannotEdit(f"{path}: {error}") from None


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CannotEdit(f"{path} cannot be read: {error}") from None


def _write(path: Path, text: str) -> None:
    """In one step, owner and mode as they were."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, name)
        status = path.stat()
        if os.geteuid() == 0:
            os.chown(name, status.st_uid, status.st_gid)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
