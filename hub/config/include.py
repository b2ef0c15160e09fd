"""The files of a configuration: the one that was found and those that it includes."""

import glob
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from hub.config.errors import UNREADABLE, ConfigError, ConfigErrors
from hub.config.find import display
from hub.config.parse import parse_file
from hub.config.tree import Layer

MAX_FILES = 256


def read_files(path: Path, cwd: Path) -> list[Layer]:
    """The layers of `path` and of all that it includes, in merge order: what is included first, the including
    file after it.

    `include` is a list of patterns relative to the file that says it, each matched in name order. Raises
    ConfigErrors with the faults of all the files.
    """
    reading = _Reading(cwd)
    reading.read(path, (), None)
    if reading.errors:
        raise ConfigErrors(reading.errors)
    return reading.layers


def pattern_folders(layers: Iterable[Layer]) -> tuple[Path, ...]:
    """The folders in which the patterns of these files look: what is put there later may be included."""
    found: dict[Path, None] = {}
    for layer in layers:
        patterns = layer.values.get("include", [])
        for pattern in patterns if isinstance(patterns, list) else ():
            if glob.has_magic(pattern):
                parts = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
                found[layer.folder.joinpath(*parts)] = None
    return tuple(found)


class _Reading:
    """One walk through the includes."""

    def __init__(self, cwd: Path) -> None:
        self.layers: list[Layer] = []
        self.errors: list[ConfigError] = []
        self._cwd = cwd
        self._files = 0

    def read(self, path: Path, chain: tuple[Path, ...], said_in: Layer | None) -> None:
        """Read `path`, which the last file of `chain` includes, after what it includes itself."""
        if said_in is not None and (fault := self._refusal(path, chain)):
            self.errors.append(said_in.origin(("include",)).error(("include",), fault, code=UNREADABLE))
            return
        self._files += 1
        try:
            layer = parse_file(path, display(path, self._cwd))
        except ConfigErrors as error:
            self.errors.extend(error.errors)
            return
        patterns = layer.values.get("include", [])
        if not isinstance(patterns, list) or not all(
            isinstance(pattern, str) and pattern for pattern in patterns
        ):
            reason = 'should be a list of file names or patterns, such as ["conf.d/*.toml"]'
            self.errors.append(layer.origin(("include",)).error(("include",), reason, code=UNREADABLE))
            patterns = []
        for index, pattern in enumerate(patterns):
            for included in self._match(layer, index, pattern):
                self.read(included, (*chain, path), layer)
        self.layers.append(layer)

    def _match(self, layer: Layer, index: int, pattern: str) -> list[Path]:
        if glob.has_magic(pattern):
            return [layer.folder / name for name in sorted(glob.glob(pattern, root_dir=layer.folder))]
        path = layer.folder / pattern
        if not path.exists():
            key = ("include", index)
            self.errors.append(
                layer.origin(key).error(key, f"there is no file {display(path, self._cwd)}", code=UNREADABLE)
            )
            return []
        return [path]

    def _refusal(self, path: Path, chain: tuple[Path, ...]) -> str | None:
        if any(os.path.realpath(path) == os.path.realpath(above) for above in chain):
            names = " → ".join(display(link, self._cwd) for link in (*chain, path))
            return f"the includes go round in a circle: {names}"
        if self._files >= MAX_FILES:
            return f"more than {MAX_FILES} files are included"
        return None
