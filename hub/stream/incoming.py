"""What a client has sent and its session has not read yet, with a bound past which the socket is not read."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.hooks.listeners import MAX_LINE, LineTooLong, Over, SessionOver

ENOUGH: Final = MAX_LINE
"""Octets past which nothing more is read from the socket."""


class Incoming:
    """A buffer between the transport and the one task that reads. over: why nothing more comes."""

    __slots__ = ("_buffer", "_scanned", "_transport", "_waiter", "over")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no line feed stands before this offset
        self._transport: asyncio.ReadTransport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.over: Over | None = None

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """Take the octets of this transport from now on."""
        self._transport = transport

    def feed(self, data: bytes) -> None:
        """Octets have arrived."""
        self._buffer += data
        if len(self._buffer) > ENOUGH and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def end(self, why: Over) -> None:
        """Nothing more will come. A client that has left still has answered what it sent before."""
        if self.over in (None, Over.LEFT):
            self.over = why
        self._wake()

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def awaited(self) -> bool:
        """Whether the session waits for the client."""
        return self._waiter is not None

    def take_line(self, limit: int) -> bytes | None:
        """The next line without its end, None if it is not there yet. LineTooLong, with the line skipped."""
        end = self._buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(self._buffer)
            return None
        line = bytes(self._buffer[: end - 1 if end and self._buffer[end - 1] == 13 else end])
        self._drop(end + 1)
        if len(line) > limit:
            raise LineTooLong(f"the line is longer than {limit} octets")
        return line

    def take(self, limit: int) -> bytes:
        """What is there, at most so many octets."""
        octets = bytes(self._buffer[:limit])
        self._drop(len(octets))
        return octets

    async def skip_line(self) -> None:
        """Forget what is there and whatever comes until a line ends. SessionOver."""
        while (end := self._buffer.find(b"\n")) < 0:
            self._drop(len(self._buffer))
            await self.more()
        self._drop(end + 1)

    async def more(self) -> None:
        """Wait for octets. SessionOver."""
        self.check()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self.over not in (None, Over.LEFT):
            self.check()

    def check(self) -> None:
        """SessionOver if nothing more will come."""
        if self.over is not None:
            raise SessionOver(self.over)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._scanned = 0
        if (
            len(self._buffer) <= ENOUGH and self._transport is not None and not self._transport.is_reading()
        ) and not self._transport.is_closing():
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
