"""What a session has written, on its way to a client that may read slowly."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.accepting.pacing import Paced
from hub.hooks.listeners import Over, SessionOver

FLUSH_AT: Final = 64 << 10
"""Octets that are handed on together."""


class Outgoing(Paced):
    """A buffer between the session and the transport."""

    __slots__ = ("_lost", "_pieces", "_size", "_transport")

    def __init__(self) -> None:
        super().__init__()
        self._transport: asyncio.WriteTransport | None = None
        self._pieces: list[bytes] = []
        self._size = 0
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
        await self.turn()
        if self._lost:
            raise SessionOver(Over.LEFT)

    def lose(self) -> None:
        """The client has left: nothing is written any more and nobody waits."""
        self._lost = True
        self._pieces.clear()
        self.resume()
