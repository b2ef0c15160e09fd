"""Who a process died of: whose frames the stack shows that it left, and which notes are theirs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.dispatch.judging import Note

_FRAME: Final = re.compile(r'^  File "(.+)", line (\d+) in (.+)$', re.MULTILINE)
_PACKAGE: Final = re.compile(r"\bhub_plugin_(\w+?)(?:\.py)?(?:/|$)")
_CRASHED: Final = re.compile(r"^Current thread 0x([0-9a-f]+)", re.MULTILINE)
_HUB: Final = str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Place:
    """A frame of a plugin's. plugin: its name, from its file's."""

    plugin: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.plugin} ({self.file}:{self.line})"

    def belongs_to(self, note: Note) -> bool:
        """Whether it is in the plugin that the note names, as `name (file:line)`."""
        name, _, implementation = note.plugin.partition(" (")
        return name == self.plugin or self.file.endswith("/" + implementation.rpartition(":")[0])


def stood(stack: str) -> str:
    """Of what `faulthandler` wrote the part about the thread that crashed; all of it if none is marked."""
    crashed = _CRASHED.search(stack)
    return stack[crashed.start() :].partition("\n\n")[0] if crashed else stack


def places(stack: str) -> Iterator[Place]:
    """Where it stood in files that are neither the hub's nor a library's, innermost first."""
    for file, line, _ in _FRAME.findall(stood(stack)):
        package = _PACKAGE.search(file)
        if package or not file.startswith((_HUB, sys.prefix, sys.base_prefix, "<")):
            name = package[1] if package else Path(file).stem
            yield Place(name.replace("_", "-"), file, int(line))


def culprit(stack: str) -> str | None:
    """`plugin (file:line)` of the innermost frame that is a plugin's."""
    return next(map(str, places(stack)), None)


def blamed(notes: Sequence[Note], stack: str) -> list[Note]:
    """The steps that a process died of.

    What ran in the thread that crashed, or held the loop that was asked for its stack: of steps within steps
    the innermost. In a thread of the plugin's own its steps, even if they only waited; none if it had none
    under way. Where no stack names anybody, all that ran are suspects; all that waited, if nothing ran.
    """
    crashed, named = _CRASHED.search(stack), list(places(stack))
    there = [
        note
        for note in notes
        if stack and note.running and (note.thread == int(crashed[1], 16) if crashed else note.on_loop)
    ]
    for place in named:
        if its := [note for note in there or notes if place.belongs_to(note)]:
            return its
    if there or named:
        return there
    return [note for note in notes if note.running] or list(notes)
