"""A protocol without a network: octets go in as they are cut, replies come out, nothing waits for a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

PATIENCE: Final = 60
"""Seconds that only a protocol that hangs takes."""


class Wire(asyncio.Transport):
    """A connection that collects what is written and is closed when both sides are done."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4000), "sockname": ("127.0.0.1", 25)})
        self.written = bytearray()
        self.closed = asyncio.Event()
        self.reading = asyncio.Event()
        self.reading.set()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.close()

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.closed.set()
        self.reading.set()

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def is_reading(self) -> bool:
        return self.reading.is_set()

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""


def cut(octets: bytes, places: Sequence[int]) -> list[bytes]:
    """The octets in pieces that end at these places."""
    ends = sorted({place % (len(octets) + 1) for place in places} | {len(octets)})
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


async def said(make: Callable[[], asyncio.BaseProtocol], pieces: Sequence[bytes]) -> bytes:
    """All that the protocol answers to the pieces and the end of them. TimeoutError if it does not end."""
    protocol = make()
    assert isinstance(protocol, asyncio.Protocol)
    wire = Wire()
    protocol.connection_made(wire)
    async with asyncio.timeout(PATIENCE):
        for piece in pieces:
            await wire.reading.wait()
            if not wire.is_closing():
                protocol.data_received(piece)
            await asyncio.sleep(0)
        if not wire.is_closing() and not protocol.eof_received():
            wire.close()
        await wire.closed.wait()
    protocol.connection_lost(None)
    return bytes(wire.written)
