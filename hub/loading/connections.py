"""The open connections of one process: who has been silent for too long, and how all of them end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

SWEEP: Final = 5.0
"""Seconds between two looks at all deadlines: one timer for the process, not one for each connection."""


class Connection(Protocol):
    """What a protocol lets others do to its connection."""

    def look(self, now: float) -> None:
        """Take leave of a client that takes too long. now: on the event loop's clock."""

    def drain(self) -> None:
        """The hub stops: take leave now, or when what is under way has ended."""


@dataclass(slots=True)
class Connections:
    """Kept by the protocols, read by the app. draining: no connection is served any more."""

    draining: bool = False
    _open: set[Connection] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _emptied: asyncio.Event = field(default_factory=asyncio.Event)
    _writes: list[Callable[[], None]] = field(default_factory=list)

    def add(self, connection: Connection) -> None:
        """A connection was made."""
        self._open.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP, self._tick)

    def remove(self, connection: Connection) -> None:
        """It is gone, and nothing more happens for it."""
        self._open.discard(connection)
        if not self._open:
            self._emptied.set()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def write_soon(self, write: Callable[[], None]) -> None:
        """Call it once all that the loop has read now was looked at.

        Writes that follow each other wake a client's process once; each by itself wakes it again and
        again, which costs more than all else that a reply does.
        """
        if not self._writes:
            asyncio.get_running_loop().call_soon(self._write_all)
        self._writes.append(write)

    def _write_all(self) -> None:
        writes, self._writes = self._writes, []
        for write in writes:
            write()

    def __len__(self) -> int:
        return len(self._open)

    async def drain(self, seconds: float) -> int:
        """End all connections, each where its protocol allows it; how many are still open after that time."""
        self.draining = True
        self._emptied.clear()
        for connection in list(self._open):
            connection.drain()
        if self._open:
            try:
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
            except TimeoutError:
                pass
        return len(self._open)

    def sweep(self) -> None:
        """Let each look at the clock."""
        now = asyncio.get_running_loop().time()
        for connection in list(self._open):
            connection.look(now)

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._tick)
        self.sweep()
