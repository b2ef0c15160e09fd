"""What happened in one session, as tuples: cheap to make, written in one append when the session ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hub.hooks.observe import TraceRecord
from hub.mail.envelope import Envelope

Record: TypeAlias = TraceRecord

# Places in a record.
MESSAGE: Final = 1
KIND: Final = 2
NAME: Final = 3
OUTCOME: Final = 5
DETAIL: Final = 7

RELAY: Final = "relay to "
"""How `about` begins for a try to send a message on."""

HEAD: Final = 200
TAIL: Final = 400


@dataclass(slots=True)
class Spanned:
    """What a session keeps from one `take` to the next while its records become spans.

    held: the records of the message under way; chosen: whether the session's own are exported; messages:
    (trace id, span id) of those that were.
    """

    held: list[Record] = field(default_factory=list)
    chosen: bool = False
    messages: list[tuple[int, int]] = field(default_factory=list)


class Trace:
    """The records of one session: the first 200 and the last 400 stay, what falls out between is counted."""

    __slots__ = (
        "_began",
        "_dropped",
        "_first",
        "_last",
        "about",
        "listener",
        "message",
        "session_id",
        "spanned",
        "started_at",
    )

    def __init__(self, session_id: str, about: str = "", listener: str = "") -> None:
        """about: the session in a few words, `smtp from 192.0.2.1:4711`. listener: its name."""
        self.session_id = session_id
        self.about = about
        self.listener = listener
        self.spanned: Spanned | None = None
        self.started_at = time.time()
        self._began = time.perf_counter()
        self._first: list[Record] = []
        self._last: list[Record] = []
        self._dropped = 0
        self.message: str | None = None

    def add(
        self,
        kind: str,
        name: str,
        outcome: str,
        *,
        plugin: str | None = None,
        seconds: float = 0.0,
        detail: str = "",
    ) -> None:
        """Note something that has just ended; it belongs to the message under way, if there is one."""
        record = (
            int((time.perf_counter() - self._began - seconds) * 1e6),  # JSON is slow at fractions
            self.message,
            kind,
            name,
            plugin,
            outcome,
            int(seconds * 1e6),
            detail,
        )
        if len(self._first) < HEAD:
            self._first.append(record)
            return
        self._last.append(record)
        if len(self._last) > 2 * TAIL:  # amortised: a ring without its bookkeeping
            del self._last[:TAIL]
            self._dropped += TAIL

    def begin(self, envelope: Envelope) -> None:
        """What follows belongs to this message."""
        self.message = envelope.id

    @property
    def records(self) -> list[Record]:
        """What `take` would give now."""
        return self._first + self._last

    @property
    def dropped(self) -> int:
        """How many records have fallen out of the middle."""
        return self._dropped

    def take(self) -> tuple[list[Record], int]:
        """All records so far and how many were dropped; they are forgotten here."""
        records, dropped = self._first + self._last, self._dropped
        self._first, self._last, self._dropped = [], [], 0
        return records, dropped

    def __len__(self) -> int:
        return len(self._first) + len(self._last)
