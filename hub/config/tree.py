"""The merged configuration: layers laid over each other, with the origin of every key kept."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hub.config.errors import WRONG_VALUE, ConfigError
from hub.config.key import Key, format_key

MAX_DEPTH = 24
"""Tables and lists may stand this deep in each other; what walks them may recurse."""

Source = Literal["default", "file", "environment"]
Lines = Callable[[], Mapping[Key, int]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    `file` and `line` (from 1) for a file, `variable` for the environment, none of them for a default; `name`
    is what to print: the file as the operator would type it, or `$VARIABLE`.
    """

    source: Source
    name: str = "default"
    file: Path | None = None
    line: int | None = None
    variable: str | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"

    def error(self, key: Key, reason: str, hint: str = "", *, code: str = WRONG_VALUE) -> ConfigError:
        """A fault that stands here."""
        file = "" if self.source == "default" else self.name
        return ConfigError(file, self.line, format_key(key), reason, hint, code)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says: a file, an environment variable, or the defaults that depend on the machine.

    `folder` is what relative paths in it start from. `lines` is called only when a line is asked for.
    """

    source: Source
    name: str
    values: Mapping[str, object] = field(repr=False)
    folder: Path
    path: Path | None = None
    variable: str | None = None
    lines: Lines = dict

    def origin(self, key: Key) -> Origin:
        """The line of `key`, or of the nearest table above it that is written here."""
        lines = self.lines() if self.source == "file" else {}
        while key and key not in lines:
            key = key[:-1]
        return Origin(self.source, self.name, self.path, lines.get(key), self.variable)


@dataclass(frozen=True, slots=True)
class Tree:
    """Merged tables and, for every key of them, the layer that had the last word. Treat both as read-only."""

    values: dict[str, object]
    layers: dict[Key, Layer]
    base: Layer

    def layer(self, key: Key) -> Layer:
        """The layer that said `key`, or else the table that it stands in."""
        while key and key not in self.layers:
            key = key[:-1]
        return self.layers.get(key, self.base)

    def origin(self, key: Key) -> Origin:
        """Where `key`, or else the table that it stands in, was written."""
        return self.layer(key).origin(key)

    def get(self, key: Key) -> object:
        """The value at `key`, or None."""
        value: object = self.values
        for part in key:
            if isinstance(value, list) and isinstance(part, int):
                value = value[part] if part < len(value) else None
            else:
                value = value.get(str(part)) if isinstance(value, dict) else None
        return value


def merge(base: Layer, layers: Iterable[Layer]) -> Tree:
    """Lay `layers` over `base`, the later over the earlier: tables merge, everything else replaces."""
    tree = Tree({}, {}, base)
    for layer in (base, *layers):
        _overlay(tree, tree.values, layer.values, layer, ())
    return tree


def overlay(tree: Tree, layer: Layer) -> Tree:
    """A copy of the tree with one more layer on it."""
    laid = Tree(copy.deepcopy(tree.values), dict(tree.layers), tree.base)
    _overlay(laid, laid.values, layer.values, layer, ())
    return laid


def _overlay(
    tree: Tree, under: dict[str, object], over: Mapping[str, object], layer: Layer, prefix: Key
) -> None:
    for name, value in over.items():
        key = (*prefix, name)
        below = under.get(name)
        if isinstance(value, Mapping):
            if not isinstance(below, dict):
                below = under[name] = {}
            _overlay(tree, below, value, layer, key)
        else:
            if isinstance(below, dict):
                for gone in [known for known in tree.layers if known[: len(key)] == key]:
                    del tree.layers[gone]
            under[name] = value
        tree.layers[key] = layer
