"""Events counted in the memory of each worker, until they are written down together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

MINUTE: Final = 60
MOST_KINDS: Final = 100
"""Sets of labels of one event in one minute that are told apart; the rest are counted without labels."""
LONGEST_LABEL: Final = 80
LONGEST_TEXT: Final = 400

_LOCAL_PART: Final = re.compile(r"[^\s<>()\[\]\",:;@]{1,64}@(?=[\w\[])")

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in a fixed order."""


@dataclass(slots=True)
class Tally:
    """How often, and what was said about it last."""

    count: int = 0
    text: str = ""


Kind: TypeAlias = tuple[int, str, Labels]
"""The minute since the epoch, the event, its labels."""


class Counter:
    """What this worker has seen since it was last written down; bounded, whatever comes."""

    def __init__(self) -> None:
        self._tallies: dict[Kind, Tally] = {}
        self._kinds: dict[tuple[int, str], int] = {}
        self._as_given: dict[tuple[object, ...], Tally] = {}

    def add(self, now: float, event: str, labels: Mapping[str, str], text: str = "", count: int = 1) -> None:
        """Count an event. now: seconds since the epoch."""
        minute = int(now) // MINUTE
        given = (minute, event, *labels.values())
        tally = self._as_given.get(given)
        if tally is None:
            kind = (minute, event, tuple((name, clean(value)) for name, value in labels.items()))
            tally = self._tally(kind)
            if len(self._as_given) < MOST_KINDS:
                self._as_given[given] = tally
        _raise(tally, count, clean(without_names(text[: 2 * LONGEST_TEXT]), LONGEST_TEXT) if text else "")

    def _tally(self, kind: Kind) -> Tally:
        tally = self._tallies.get(kind)
        if tally is None:
            minute, event, labels = kind
            kinds = self._kinds.get((minute, event), 0)
            if kinds >= MOST_KINDS and labels:
                return self._tally((minute, event, ()))
            self._kinds[minute, event] = kinds + 1
            tally = self._tallies[kind] = Tally()
        return tally

    def take(self) -> dict[Kind, Tally]:
        """What was counted; from now on it counts from nothing."""
        taken, self._tallies, self._kinds, self._as_given = self._tallies, {}, {}, {}
        return taken

    def give_back(self, taken: Mapping[Kind, Tally]) -> None:
        """It could not be written down: keep it for the next time."""
        for kind, tally in taken.items():
            _raise(self._tally(kind), tally.count, tally.text)


def _raise(tally: Tally, count: int, text: str) -> None:
    tally.count += count
    tally.text = text or tally.text


def without_names(text: str) -> str:
    """A text that may leave the hub: of mail addresses only the domain is left."""
    return _LOCAL_PART.sub("…@", text)


def clean(text: str, longest: int = LONGEST_LABEL) -> str:
    """One printable line of bounded length, out of what may come from anybody."""
    line = " ".join(text[: 2 * longest].split())
    return "".join(each if each.isprintable() else "?" for each in line)[:longest]
