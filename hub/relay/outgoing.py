"""A message as it goes out: as it lies in the store, or as plugins change it for its way."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.hooks.relay import rewrite_relayed
from hub.loading.kernel import Kernel
from hub.mail.message import BodyFile, Message
from hub.services.queue import QueueRow
from hub.trace.record import Trace

IN_MEMORY: Final = 1 << 20
"""Octets of a message up to which plugins are shown it from memory, and not from a file."""
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Octets to send. eight_bit: whether some of them are beyond ASCII. chunks: reads them from the first."""

    size: int
    eight_bit: bool
    chunks: Callable[[], AsyncIterator[bytes]]


@asynccontextmanager
async def outgoing(kernel: Kernel, rows: Sequence[QueueRow], trace: Trace) -> AsyncIterator[Outgoing]:
    """What a server is sent for rows of one message. HookFailed, or what the store raises."""
    row, blobs = rows[0], kernel.services.blobs
    eight_bit = not await _is_ascii(blobs.stream(row.blob))
    pin = kernel.generations.pin()
    try:
        plan = pin.chain(rewrite_relayed)
        if not plan:
            yield Outgoing(row.size, eight_bit, lambda: blobs.stream(row.blob))
            return
        async with _read(kernel, row) as stored:
            message = await plan(
                trace,
                sender=row.sender,
                reverse_path=row.reverse_path,
                recipients=tuple(each.recipient for each in rows),
                message=stored,
            )
            assert message is not None  # a chain ends with what it began with, at least
            yield Outgoing(message.size, not await _is_ascii(_chunks(message)), lambda: _chunks(message))
    finally:
        pin.release()


@asynccontextmanager
async def _read(kernel: Kernel, row: QueueRow) -> AsyncIterator[Message]:
    blobs = kernel.services.blobs
    head = await blobs.read(row.blob, 0, row.head_size)
    if row.size <= IN_MEMORY:
        yield Message(head, await blobs.read(row.blob, row.head_size))
        return
    body_size = row.size - row.head_size
    with tempfile.NamedTemporaryFile(prefix="relay-", dir=kernel.settings.hub.data_dir) as file:
        async for chunk in blobs.stream(row.blob, row.head_size, body_size):
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        yield Message(head, BodyFile(Path(file.name), 0, body_size))


async def _chunks(message: Message) -> AsyncIterator[bytes]:
    if message.size <= IN_MEMORY:
        yield message.bytes()
        return
    pieces = message.chunks(_PIECE)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


async def _is_ascii(chunks: AsyncIterator[bytes]) -> bool:
    async for chunk in chunks:
        if not chunk.isascii():
            return False
    return True
