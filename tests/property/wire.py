"""A protocol without a network: octets go in as they are cut, replies come out, nothing waits for a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

TURNS: Final = 20_000
"""Runs of the event loop in which a protocol has to answer everything that it got."""


class Wire(asyncio.Transport):
    """A connection that collects what is written and is closed when both sides are done."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4000), "sockname": ("127.0.0.1", 25)})
        self.written = bytearray()
        self.closed = False
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.close()

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closed

    def is_reading(self) -> bool:
        return not self.paused

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""


def cut(octets: bytes, places: Sequence[int]) -> list[bytes]:
    """The octets in pieces that end at these places."""
    ends = sorted({place % (len(octets) + 1) for place in places} | {len(octets)})
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


async def said(make: Callable[[], asyncio.BaseProtocol], pieces: Sequence[bytes]) -> bytes:
    """All that the protocol answers to the pieces and the end of them. AssertionError if it does not end."""
    protocol = make()
    assert isinstance(protocol, asyncio.Protocol)
    wire = Wire()
    protocol.connection_made(wire)
    for piece in pieces:
        for _ in range(TURNS):
            if not wire.paused:
                break
            await asyncio.sleep(0)
        if not wire.closed:
            protocol.data_received(piece)
        await asyncio.sleep(0)
    if not wire.closed and not protocol.eof_received():
        wire.close()
    for _ in range(TURNS):
        if wire.closed:
            break
        await asyncio.sleep(0)
    assert wire.closed, "the protocol hangs"
    protocol.connection_lost(None)
    return bytes(wire.written)
