"""A message as it goes out: as it lies in the store, or as plugins change it for its way."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from hub.hooks.relay import rewrite_relayed
from hub.loading.kernel import Kernel
from hub.mail.message import BodyFile, Message
from hub.mail.reencode import narrow
from hub.services.queue import QueueRow
from hub.trace.record import Trace

IN_MEMORY: Final = 1 << 20
"""Octets of a message up to which plugins are shown it from memory, and not from a file."""
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Octets to send. eight_bit: whether some of them are beyond ASCII. chunks: reads them from the first.

    utf8_header: whether the header block has UTF-8 in it (RFC 6532).
    """

    size: int
    eight_bit: bool
    utf8_header: bool
    chunks: Callable[[], AsyncIterator[bytes]]


@asynccontextmanager
async def outgoing(
    kernel: Kernel, rows: Sequence[QueueRow], trace: Trace, *, takes_8bit: bool
) -> AsyncIterator[Outgoing]:
    """What a server is sent for rows of one message. HookFailed, or what the store raises.

    takes_8bit: whether that server does; NotMime if it does not, and the message cannot be made so.
    """
    row, blobs = rows[0], kernel.services.blobs
    eight_bit = not await _is_ascii(blobs.stream(row.blob))
    pin = kernel.generations.pin()
    try:
        plan = pin.chain(rewrite_relayed)
        if not plan and (takes_8bit or not eight_bit):
            has_utf8 = eight_bit and _is_utf8(await blobs.read(row.blob, 0, row.head_size))
            yield Outgoing(row.size, eight_bit, has_utf8, lambda: blobs.stream(row.blob))
            return
        async with _read(kernel, row, narrowed=eight_bit and not takes_8bit) as stored:
            message: Message | None = stored
            if plan:
                message = await plan(
                    trace,
                    sender=row.sender,
                    reverse_path=row.reverse_path,
                    recipients=tuple(each.recipient for each in rows),
                    message=stored,
                )
            assert message is not None  # a chain ends with what it began with, at least
            beyond = not await _is_ascii(_chunks(message))
            yield Outgoing(message.size, beyond, _is_utf8(message.head), lambda: _chunks(message))
    finally:
        pin.release()


@asynccontextmanager
async def _read(kernel: Kernel, row: QueueRow, *, narrowed: bool) -> AsyncIterator[Message]:
    """The message; in seven bits, if that is wanted (RFC 6152 §3): NotMime."""
    blobs = kernel.services.blobs
    head = await blobs.read(row.blob, 0, row.head_size)
    if row.size <= IN_MEMORY:
        body = await blobs.read(row.blob, row.head_size)
        yield await asyncio.to_thread(_narrowed, head, body) if narrowed else Message(head, body)
        return
    body_size = row.size - row.head_size
    with _temporary(kernel) as file:
        async for chunk in blobs.stream(row.blob, row.head_size, body_size):
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        stored = BodyFile(Path(file.name), 0, body_size)
        if not narrowed:
            yield Message(head, stored)
            return
        with _temporary(kernel) as another:
            yield await asyncio.to_thread(_narrow_into, head, stored, another)


def _narrowed(head: bytes, body: bytes) -> Message:
    head, pieces = narrow(head, body)
    return Message(head, b"".join(pieces))


def _narrow_into(head: bytes, body: BodyFile, file: IO[bytes]) -> Message:
    head, pieces = narrow(head, body.view())
    size = sum(map(file.write, pieces))
    file.flush()
    return Message(head, BodyFile(Path(file.name), 0, size))


def _temporary(kernel: Kernel) -> IO[bytes]:
    return cast("IO[bytes]", tempfile.NamedTemporaryFile(prefix="relay-", dir=kernel.settings.hub.data_dir))


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


def _is_utf8(head: bytes) -> bool:
    """Whether there is UTF-8 in it that is more than ASCII; other charsets do not count."""
    if head.isascii():
        return False
    try:
        head.decode()
    except UnicodeDecodeError:
        return False
    return True
