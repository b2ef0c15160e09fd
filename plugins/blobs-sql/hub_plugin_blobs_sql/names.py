"""Names of blobs, which are their references, and what this process still needs of its own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hub import BlobGone

LAST: Final = "\x7f"
"""Behind every name."""

_NAME: Final = re.compile(
    r"([0-9a-z]{8})-([0-9a-f]{12})-([0-9a-f]{8})-([0-9a-f]{4})([0-9a-f]{8})\Z", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name's parts. millisecond: since the epoch, when it was given."""

    text: str
    store: str
    millisecond: int
    writer: str


def parse(reference: str, store: str) -> Name:
    """BlobGone if it is no name of this store."""
    match = _NAME.match(reference)
    if match is None or match[1] != store:
        raise BlobGone(f"{reference[:80]!r} is no reference into this store, {store}")
    return Name(reference, match[1], int(match[2], 16), match[3])


class Names:
    """Gives this process's names, each later than the one before, and knows which are not settled yet."""

    def __init__(self, store: str, time: Callable[[], float]) -> None:
        self.store = store
        self.writer = secrets.token_hex(4)
        self._time = time
        self._millisecond = 0
        self._number = 0
        self._open: dict[str, None] = {}  # the oldest first

    def new(self) -> str:
        """A name that is kept open until it is settled."""
        now = int(self._time() * 1000)
        if now > self._millisecond:
            self._millisecond, self._number = now, 0
        else:
            self._number += 1
            if self._number > 0xFFFF:
                self._millisecond, self._number = self._millisecond + 1, 0
        # By chance at its end, so that a damaged reference is none to a neighbour.
        place = f"{self._number:04x}{secrets.token_hex(4)}"
        name = f"{self.store}-{self._millisecond:012x}-{self.writer}-{place}"
        self._open[name] = None
        return name

    def settle(self, name: str) -> None:
        """Nothing waits for its rows any more."""
        self._open.pop(name, None)

    @property
    def settled(self) -> str:
        """All names of this process below this one are settled, those included that it has yet to give."""
        oldest = next(iter(self._open), None)
        if oldest is not None:
            return oldest
        # The next one is later than this, even if the clock goes back.
        after = max(int(self._time() * 1000), self._millisecond + 1)
        self._millisecond, self._number = after, 0
        return f"{self.store}-{after:012x}"
