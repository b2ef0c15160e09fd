"""Blobs out of the tables, in pieces that are no larger than a chunk."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection, Integer, LargeBinary, bindparam, func, select

from hub import BlobGone, Tables
from hub_plugin_blobs_sql.tables import BLOB, CHUNK, PIECE

_FAR: Final = 1 << 30  # behind every octet that is in the row of its blob

_PART = select(
    BLOB.c.head_size,
    BLOB.c.size,
    BLOB.c.inline_size,
    BLOB.c.head_crc,
    BLOB.c.body_crc,
    func.substr(
        BLOB.c.data, bindparam("first", type_=Integer), bindparam("count", type_=Integer), type_=LargeBinary
    ).label("part"),
).where(BLOB.c.name == bindparam("blob"))
_CHUNKS = (
    select(CHUNK.c.number, CHUNK.c.data)
    .where(CHUNK.c.blob == bindparam("blob"), CHUNK.c.number.between(bindparam("low"), bindparam("high")))
    .order_by(CHUNK.c.number)
)


class Checksums:
    """Over a message that goes by from its first octet to its last."""

    def __init__(self) -> None:
        self._at = self._head = self._body = 0

    def add(self, part: Part) -> None:
        """The next octets. BlobGone if they are the last and the sums are not those of the row."""
        in_head = max(0, part.head_size - self._at)
        self._head = zlib.crc32(part.data[:in_head], self._head)
        self._body = zlib.crc32(part.data[in_head:], self._body)
        self._at += len(part.data)
        if self._at >= part.size and (self._head, self._body) != (part.head_crc, part.body_crc):
            raise BlobGone("the stored message is damaged")


@dataclass(frozen=True, slots=True)
class Part:
    """Octets of a message, with what its row says; sizes in octets."""

    data: bytes
    size: int
    head_size: int
    head_crc: int
    body_crc: int


async def read(tables: Tables, name: str, offset: int, length: int | None) -> bytes:
    """Octets of a message; what is read whole is verified. BlobGone."""
    pieces = [piece async for piece in stream(tables, name, offset, length)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def stream(tables: Tables, name: str, offset: int, length: int | None) -> AsyncIterator[bytes]:
    """The same in pieces. BlobGone, at the latest in place of the last piece."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(
            f"a part of a message begins at 0 and has 0 octets or more, not {offset} and {length}"
        )
    sums = Checksums() if offset == 0 else None
    at = offset
    while True:
        wanted = PIECE if length is None else min(PIECE, offset + length - at)
        part = await tables.read(partial(read_part, name=name, offset=at, length=wanted))
        at += len(part.data)
        if sums is not None:
            sums.add(part)
        if part.data:
            yield part.data
        if at >= part.size or (length is not None and at >= offset + length):
            return


def read_part(connection: Connection, name: str, offset: int, length: int) -> Part:
    """At most so many octets, all that there are. BlobGone."""
    values = {"blob": name, "first": min(offset, _FAR) + 1, "count": length}
    row = connection.execute(_PART, values).first()
    if row is None:
        raise BlobGone(f"{name} is not in the store")
    end = min(offset + length, row.size)
    data: bytes = row.part or b""  # a part of nothing is NULL in SQLite
    if end > max(offset, row.inline_size):
        data += _from_chunks(connection, name, row.inline_size, max(offset, row.inline_size), end)
    if len(data) != max(0, end - offset):
        raise BlobGone(f"a piece of {name} is missing")
    return Part(data, row.size, row.head_size, row.head_crc, row.body_crc)


def _from_chunks(connection: Connection, name: str, inline_size: int, start: int, end: int) -> bytes:
    start, end = start - inline_size, end - inline_size
    low = start // PIECE
    rows = connection.execute(_CHUNKS, {"blob": name, "low": low, "high": (end - 1) // PIECE})
    whole = b"".join(row.data for row in rows)
    return whole[start - low * PIECE : end - low * PIECE]
