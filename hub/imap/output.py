"""Responses on their way out: collected, written in large pieces, and held back when the client stops
reading."""

from __future__ import annotations

import asyncio

from hub.accepting.pacing import Paced
from hub.imap.deflate import Deflater

_FLUSH_AT = 64 << 10


class Output(Paced):
    """A buffer between the commands and the transport."""

    __slots__ = ("_deflater", "_pieces", "_size", "_told", "_transport", "closed")

    def __init__(self) -> None:
        super().__init__()
        self._transport: asyncio.WriteTransport | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._told = b""  # the last octets that were flushed
        self._deflater: Deflater | None = None
        self.closed = False

    def attach(self, transport: asyncio.WriteTransport) -> None:
        """Write to this transport from now on."""
        self._transport = transport

    def send(self, octets: bytes) -> None:
        """Write these octets at the next flush."""
        self._pieces.append(octets)
        self._size += len(octets)

    def flush(self) -> None:
        """Hand everything to the transport."""
        if self._pieces:
            if self._transport is not None and not self.closed:
                octets = b"".join(self._pieces)
                self._transport.write(octets if self._deflater is None else self._deflater.deflate(octets))
            self._told = self._pieces[-1][-2:]
            self._pieces.clear()
            self._size = 0

    @property
    def is_between(self) -> bool:
        """Whether what was sent ends with a line, so that a response may follow; not known in literals."""
        return (self._pieces[-1] if self._pieces else self._told).endswith(b"\r\n")

    @property
    def deflates(self) -> bool:
        """Whether what is written is deflated."""
        return self._deflater is not None

    def deflate(self, on: bool) -> None:
        """Whether what is flushed from now on is deflated (RFC 4978)."""
        self._deflater = Deflater() if on else None

    def rest(self) -> None:
        """Nothing will be said for a while: hold no memory for it."""
        if self._deflater is not None:
            self._deflater.rest()

    async def flow(self) -> None:
        """Call between the pieces of a long answer: flushes, waits for a slow client, lets other sessions
        run.

        ConnectionResetError once the client has left.
        """
        if self._size >= _FLUSH_AT:
            self.flush()
        if self.closed:
            raise ConnectionResetError("the client has left")
        await self.turn()

    def close(self) -> None:
        """The client has left: nothing is written any more and nobody waits."""
        self.closed = True
        self._pieces.clear()
        self.resume()
