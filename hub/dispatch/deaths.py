"""Which messages the hub has died of, counted by content over restarts, and what is judged no more for it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from hub.dispatch.blame import blamed, stood
from hub.dispatch.blocking import Stack
from hub.dispatch.judging import NOTES, Note, read_notes
from hub.log import get_logger

ENOUGH: Final = 3
"""Deaths after which a message is kept unjudged."""
REMEMBERED: Final = 7 * 86400.0
"""Seconds after the last death; a sender gives up after five days (RFC 5321 §4.5.4.1)."""
MOST: Final = 1000
"""Contents that are remembered; those whose last death is longest ago are forgotten first."""
LONGEST_STACK: Final = 4000
"""Characters of it that are kept, from the innermost frame on."""
NAMED: Final = 3
"""Suspects of one death that are named."""

_log = get_logger(area="judging")


@dataclass(frozen=True, slots=True)
class Death:
    """One death of a process that was judging a message.

    at: seconds since the epoch. message: the id that this try of it had. plugin: name, file and line; of
    several suspects each. how: the process's end. stack: where it stood, if that is known.
    """

    at: float
    message: str
    plugin: str
    how: str
    stack: str


class Deaths:
    """What `deaths.json` in the data folder holds; one process at a time has it to write."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._path = folder / "deaths.json"
        self._now = now
        self._by_content = _read(self._path)

    def count(self, notes: Sequence[Note], how: str, stack: str = "") -> dict[bytes, str]:
        """Count a death for what is to blame for it; gives what is set aside from now on, and why."""
        suspects: dict[bytes, list[Note]] = {}
        for note in blamed(notes, stack):
            suspects.setdefault(note.content, []).append(note)
        fresh = {}
        for content, its in suspects.items():
            deaths = self._by_content.pop(content, ())
            plugin, where = _either(its), stood(stack)[:LONGEST_STACK]
            death = Death(self._now(), its[0].message, plugin, how, where)
            self._by_content[content] = (*deaths, death)[-ENOUGH:]
            _log.error(
                "died while judging",
                message=death.message, plugin=plugin, how=how, content=content.hex(),
                deaths=len(self._by_content[content]),
            )  # fmt: skip
            if len(deaths) == ENOUGH - 1:
                fresh[content] = _why(self._by_content[content])
                _log.error("set aside: kept unjudged from now on", content=content.hex(), why=fresh[content])
        if suspects:
            self._write()
        return fresh

    def look_back(self) -> None:
        """Count what processes of a hub that died as a whole have left in the folder."""
        for notes in sorted(self._path.parent.glob("*" + NOTES)):
            stack = Stack(notes)
            self.count(read_notes(notes), "it left no word", stack.read())
            notes.unlink(missing_ok=True)
            stack.clear()

    def set_aside(self) -> dict[bytes, str]:
        """Content → why it is judged no more."""
        since = self._now() - REMEMBERED
        return {
            content: _why(deaths)
            for content, deaths in self._by_content.items()
            if len(deaths) >= ENOUGH and deaths[-1].at > since
        }

    def _write(self) -> None:
        """A disk that is full costs the memory of it, not the hub."""
        since = self._now() - REMEMBERED
        kept = [each for each in self._by_content.items() if each[1][-1].at > since][-MOST:]
        self._by_content = dict(kept)
        fresh = self._path.with_suffix(".new")
        said = {content.hex(): [asdict(each) for each in deaths] for content, deaths in kept}
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(said, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            _log.error("deaths are not written down", reason=str(error))


def _read(path: Path) -> dict[bytes, tuple[Death, ...]]:
    try:
        said = json.loads(path.read_text())
        return {
            bytes.fromhex(content): tuple(Death(**death) for death in deaths)
            for content, deaths in said.items()
            if deaths
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _log.error("cannot be read, and begins anew", file=str(path), reason=str(error))
        return {}


def _either(suspects: Sequence[Note]) -> str:
    names = list(dict.fromkeys(note.plugin for note in suspects))
    return " or ".join(names[:NAMED] + ([f"{len(names) - NAMED} more"] if len(names) > NAMED else []))


def _why(deaths: Sequence[Death]) -> str:
    """In one line of ASCII, for a header field."""
    plugins = ", ".join(dict.fromkeys(death.plugin for death in deaths))
    text = f"the hub died {len(deaths)} times while judging it in {plugins}; last: {deaths[-1].how}"
    return "".join(each if " " <= each <= "~" else "?" for each in text)
