"""What a client has sent and nobody has read yet, with a bound past which the socket is not read."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from hub.imap.deflate import Inflater

MAX_LINE_BEFORE_LOGIN = 13 << 10  # a response of SASL, 12 KiB of base64, behind AUTHENTICATE
MAX_LINE = 256 << 10  # sets of 10,000 UIDs come on one line
_CHUNK = 64 << 10


class LineTooLong(Exception):
    """There is no line end within the limit; `start` is what the line begins with."""

    def __init__(self, start: bytes) -> None:
        super().__init__("a command line is too long")
        self.start = start


class Input:
    """A buffer between the transport and the one task that reads. `limit`: octets of a line; more than
    that pauses the reading. `broken`: what came cannot be inflated."""

    __slots__ = ("_buffer", "_inflater", "_scanned", "_transport", "_waiter", "broken", "closed", "limit")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no line feed stands before this offset
        self._transport: asyncio.ReadTransport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._inflater: Inflater | None = None
        self.closed = self.broken = False
        self.limit = MAX_LINE_BEFORE_LOGIN

    def attach(self, transport: asyncio.ReadTransport) -> None:
        """Take the octets of this transport from now on."""
        self._transport = transport

    def feed(self, data: bytes) -> None:
        """Octets have arrived."""
        if self._inflater is None:
            self._buffer += data
        else:
            self._inflater.feed(data)
            self._refill()
        if self._is_full() and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def inflate(self, on: bool) -> None:
        """Whether what comes from now on is deflated (RFC 4978)."""
        self._inflater = Inflater() if on else None

    def close(self) -> None:
        """Nothing more will come: whoever waits gets ConnectionResetError."""
        self.closed = True
        self._wake()

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def awaited(self) -> bool:
        """Whether a command waits for the client to go on."""
        return self._waiter is not None

    def has_line(self) -> bool:
        """Whether `line` would not wait."""
        if self._find() < 0:
            self._refill()
        return self._find() >= 0 or len(self._buffer) > self.limit

    def take_line(self) -> bytes | None:
        """The next line without its end, None if it is not whole yet. LineTooLong."""
        end = self._find()
        if end > self.limit or (end < 0 and len(self._buffer) > self.limit):
            raise LineTooLong(bytes(self._buffer[:200]))
        if end < 0:
            return None
        line = bytes(self._buffer[: end - 1 if end and self._buffer[end - 1] == 13 else end])
        self._drop(end + 1)
        return line

    async def line(self) -> bytes:
        """The next line without its end. LineTooLong, ConnectionResetError."""
        while (line := self.take_line()) is None:
            await self._more()
        return line

    async def skip_line(self) -> bytes:
        """Forget everything up to and with the next line end; gives the last octets before it."""
        tail = b""
        while (end := self._find()) < 0:
            tail = (tail + bytes(self._buffer[-32:]))[-32:]
            self._drop(len(self._buffer))
            await self._more()
        tail = (tail + bytes(self._buffer[max(end - 32, 0) : end]))[-32:]
        self._drop(end + 1)
        return tail.removesuffix(b"\r")

    async def exactly(self, size: int) -> bytes:
        """The next octets, in memory: for what has been found to be small."""
        return b"".join([chunk async for chunk in self.chunks(size)])

    async def chunks(self, size: int) -> AsyncIterator[bytes]:
        """The next octets in pieces. ConnectionResetError if the client leaves before they are all there."""
        while size:
            if not self._buffer:
                await self._more()
            chunk = bytes(self._buffer[: min(size, _CHUNK)])
            self._drop(len(chunk))
            size -= len(chunk)
            if chunk:
                yield chunk

    async def skip(self, size: int) -> None:
        """Forget the next octets."""
        async for _ in self.chunks(size):
            pass

    def _find(self) -> int:
        end = self._buffer.find(b"\n", self._scanned)
        self._scanned = len(self._buffer) if end < 0 else end
        return end

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._scanned = 0
        self._go_on()

    def _is_full(self) -> bool:
        return len(self._buffer) > self.limit or (self._inflater is not None and self._inflater.pending)

    def _go_on(self) -> None:
        if not self._is_full() and self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()

    def _refill(self) -> None:
        """Inflate what there is room for: the little that deflates to a lot is never in memory whole."""
        if self._inflater is None:
            return
        try:
            while self._inflater.pending and len(self._buffer) <= self.limit:
                self._buffer += self._inflater.take(_CHUNK)
        except zlib.error:
            self._inflater, self.broken = None, True
            self.close()
        self._go_on()

    async def _more(self) -> None:
        if self._inflater is not None and self._inflater.pending:
            await asyncio.sleep(0)  # a bomb is read over in the end, and others are served meanwhile
            self._refill()
            return
        if self.closed:
            raise ConnectionResetError("the client has left")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
