"""What a session has written, on its way to a client that may read slowly."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from hub.hooks.listeners import Over, SessionOver

FLUSH_AT: Final = 64 << 10
"""Octets that are handed on together."""
_SLICE: Final = 0.005  # seconds that one session may keep the event loop without a pause


class Outgoing:
    """A buffer between the session and the transport."""

    __slots__ = ("_began", "_lost", "_pieces", "_size", "_transport", "_writable")

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._writable: asyncio.Future[None] | None = None
        self._began = perf_counter()
        self._lost = False

    def attach(self, transport: asyncio.WriteTransport) -> None:
        """Write to this transport from now on."""
        self._transport = transport

    def write(self, octets: bytes) -> None:
        """Keep octets; they are sent in large pieces."""
        self._pieces.append(octets)
        self._size += len(octets)
        if self._size >= FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the transport."""
        if self._pieces:
            if self._transport is not None and not self._lost:
                self._transport.write(b"".join(self._pieces))
            self._pieces.clear()
            self._size = 0

    async def flow(self) -> None:
        """Wait until a slow client has read enough, and let other sessions have their turn. SessionOver."""
        if self._writable is not None:
            await asyncio.shield(self._writable)
        elif perf_counter() - self._began > _SLICE:
            await asyncio.sleep(0)
        else:
            return
        self._began = perf_counter()
        if self._lost:
            raise SessionOver(Over.LEFT)

    def begin(self) -> None:
        """The session goes on after a wait: its slice of the loop's time is measured from here."""
        self._began = perf_counter()

    @property
    def blocked(self) -> bool:
        """Whether the client does not read."""
        return self._writable is not None

    def pause(self) -> None:
        """The client does not read."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """The client reads again."""
        if self._writable is not None:
            waiting, self._writable = self._writable, None
            if not waiting.done():
                waiting.set_result(None)

    def lose(self) -> None:
        """The client has left: nothing is written any more and nobody waits."""
        self._lost = True
        self._pieces.clear()
        self.resume()
