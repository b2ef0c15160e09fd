"""Takes the traces of ended sessions from the event loop to the ring, a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from hub.trace.record import Trace
from hub.trace.ring import TraceRing, line

PAUSE = 0.1
BOUND = 10_000  # sessions waiting for a disk that does not answer; more are dropped and counted


class TraceWriter:
    """One per process.

    on_error: told of every failed append. It is not tried again: a trace may be lost, mail may not.
    """

    def __init__(self, ring: TraceRing, on_error: Callable[[OSError], None]) -> None:
        self._ring = ring
        self._on_error = on_error
        self._waiting: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._flushing = asyncio.Event()
        self.dropped = 0

    def add(self, trace: Trace) -> None:
        """Take what the trace holds; never blocks.

        Its line is made here, for a thread that makes it would fight the loop for Python's lock.
        """
        if not trace:
            return
        if len(self._waiting) >= BOUND:
            trace.take()
            self.dropped += 1
            return
        self._waiting.append(line(trace))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_later())

    async def flush(self) -> None:
        """Return when everything added so far has been appended, which it is at once."""
        self._flushing.set()
        try:
            while self._task is not None or self._waiting:
                if self._task is None:
                    self._task = asyncio.get_running_loop().create_task(self._write_later())
                await asyncio.shield(self._task)
        finally:
            self._flushing.clear()

    async def _write_later(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._flushing.wait()
            lines, self._waiting = b"".join(self._waiting), []
            await asyncio.to_thread(self._ring.append, lines)
        except OSError as error:
            self._on_error(error)
        finally:
            self._task = None
            if self._waiting:
                self._task = asyncio.get_running_loop().create_task(self._write_later())
