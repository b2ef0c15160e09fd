"""Reading what a FETCH needs of a message, and sending it: small pieces in one go, large ones as they are
read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from hub.imap.sections import Piece, size
from hub.imap.session import ImapSession
from hub.mail.structure import Structure
from hub.services.blobs import BlobGone
from hub.services.storage import Item
from hub.services.stored import item_blob

SMALL: Final = 128 << 10
"""Octets that may be read into memory before they are sent, and parsed on the event loop."""
TOGETHER: Final = 224 << 10
"""Octets of many messages that are read at once: with what lies between them, a quarter of a MiB at most."""


@dataclass(frozen=True, slots=True)
class Large:
    """A literal that is sent as it is read: its announcement, then pieces of one message."""

    announcement: bytes
    contents: Contents
    pieces: tuple[Piece, ...]


class Contents:
    """One message under the hands of a command; what was read once is not read again."""

    __slots__ = ("_blob", "_head", "_session", "_stored", "item")

    def __init__(self, session: ImapSession, item: Item, read: bytes | None = None) -> None:
        """read: the header block, or all of the blob, if it was read already."""
        self._session = session
        self.item = item
        self._stored = item_blob(session.storage, session.kernel.services.blobs, session.mailbox.id, item)
        is_whole = read is not None and len(read) == self.blob_size
        self._blob: bytes | None = read if is_whole else None
        self._head: bytes | None = None if is_whole else read

    @property
    def blob_size(self) -> int:
        """Octets of the header block and body."""
        return self.item.size - len(self.item.lines)

    async def head(self) -> bytes:
        """The header block without the item's own lines. BlobGone."""
        if self._head is None:
            if self._blob is not None:
                self._head = self._blob[: self.item.head_size]
            else:
                self._head = await self._stored.read(0, self.item.head_size)
        return self._head

    async def blob(self) -> bytes:
        """Header block and body, in memory. BlobGone."""
        if self._blob is None:
            self._blob = await self._stored.read()
        return self._blob

    async def structure(self) -> Structure:
        """The parts, as offsets into the blob. BlobGone."""
        structure = self._session.structure(self.item.blob)
        if structure is None:
            data = await self.blob()
            if len(data) <= SMALL:
                structure = Structure(data)
            else:
                structure = await asyncio.to_thread(Structure, data)
            self._session.keep_structure(self.item.blob, structure)
        return structure

    async def small(self, pieces: Sequence[Piece]) -> bytes:
        """The pieces as octets. BlobGone."""
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                out.append(piece)
            elif self._blob is not None or (piece.length == self.blob_size and piece.length <= SMALL):
                data = await self.blob()
                out.append(data[piece.offset : piece.offset + piece.length])
            elif piece.length:
                out.append(await self._stored.read(piece.offset, piece.length))
        return b"".join(out)

    async def literal(self, pieces: Sequence[Piece]) -> bytes | Large:
        """`{n}` and n octets, or what `send_large` takes. BlobGone."""
        length = size(pieces)
        if length > SMALL and self._blob is None:
            await self.head()  # whether the blob is there at all is known before anything is sent
            return Large(b"{%d}\r\n" % length, self, tuple(pieces))
        octets = await self.small(pieces)
        if len(octets) != length:
            raise BlobGone(f"{self.item.blob} is shorter than the index says")
        return b"{%d}\r\n%b" % (length, lawful(octets))

    def stream(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """Part of header block and body as it is read. BlobGone."""
        return self._stored.stream(offset, length)


async def prefetched(session: ImapSession, items: Iterable[Item], *, whole: bool) -> AsyncIterator[Contents]:
    """The messages in their order, neighbours read together: the header block of each, or all that is small.

    What cannot be read is found out by who asks for it."""
    for group in _groups(items, whole=whole):
        wanted = [(item.blob, _wanted(item, whole=whole)) for item in group]
        read = await session.kernel.services.blobs.read_many(wanted)
        for item, (_, length), octets in zip(group, wanted, read, strict=True):
            is_there = isinstance(octets, bytes) and length and len(octets) == length
            yield Contents(session, item, cast(bytes, octets) if is_there else None)


def _groups(items: Iterable[Item], *, whole: bool) -> Iterator[list[Item]]:
    group: list[Item] = []
    octets = 0
    for item in items:
        wanted = _wanted(item, whole=whole)
        if group and octets + wanted > TOGETHER:
            yield group
            group, octets = [], 0
        group.append(item)
        octets += wanted
    if group:
        yield group


def _wanted(item: Item, *, whole: bool) -> int:
    """Nothing of what is too large to be read beforehand."""
    size = item.size - len(item.lines) if whole else item.head_size
    return size if size <= SMALL else 0


async def send_large(session: ImapSession, large: Large) -> None:
    """Send a literal as it is read. ConnectionResetError when it cannot be read to its end: nothing else
    can follow."""
    out, left = session.out, size(large.pieces)
    out.send(large.announcement)
    try:
        for piece in large.pieces:
            if isinstance(piece, bytes):
                out.send(lawful(piece))
                left -= len(piece)
                continue
            async for chunk in large.contents.stream(piece.offset, piece.length):
                out.send(lawful(chunk))
                left -= len(chunk)
                await out.flow()
    except BlobGone as error:
        raise ConnectionResetError("a message ended within a literal") from error
    if left:
        raise ConnectionResetError("a message ended within a literal")


def lawful(octets: bytes) -> bytes:
    """RFC 3501 §4.3: a literal holds no NUL."""
    return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets
