"""Reading files record by record: the tail of one that is continued, all of one that is looked after."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zlib_ng.zlib_ng import crc32

from hub import BlobGone
from hub_plugin_blobs_segment.record import (
    HEADER_SIZE,
    MAGIC,
    Header,
    Reference,
    payload_places,
    recovery_size,
    unpack,
)

_PIECE: Final = 1 << 20
TAIL: Final = 1 << 20
"""Octets at the end of a segment's records that are checked before it is continued."""
ROOM: Final = 1 << 20
"""Octets of zeros that may stand behind its records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One whole message found in a file of the store."""

    reference: Reference
    header: Header


def scan(path: Path) -> Generator[Record | BlobGone]:
    """The whole records of a segment or a large message's file, in order, their checksums verified.

    What is damaged in front of another record is told of and passed over. What stands behind the last whole
    one is the end: nothing, what another process is writing, or a tail torn by a crash. BlobGone if there is
    no such file, OSError if it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobGone(f"{path} is not there") from None
    try:
        at, end = 0, os.fstat(fd).st_size
        while at < end:
            found = _record_at(fd, at, end, path.name)
            if found is not None and is_right(fd, found):
                yield found
                at = record_end(found.reference)
                continue
            # A good header says where the next record begins, though its message is damaged.
            following = _next_record(
                fd, at + 1 if found is None else record_end(found.reference), end, path.name
            )
            if following is None and not path.name.endswith(".blob"):
                return
            until = end if following is None else following.reference.offset
            yield BlobGone(f"{path.name} is damaged: {until - at} octets from {at} on are no whole message")
            at = until
    finally:
        os.close(fd)


def record_end(reference: Reference) -> int:
    """Where in its file the next record may begin."""
    return reference.offset + reference.skip + (0 if reference.trailing else reference.length)


def whole_until(fd: int, end: int, name: str) -> int | None:
    """Where a segment's records end, with nothing but room behind them; None if its tail is torn.

    From header to header, for a message may have in it what looks like a record, and zeros behind that.
    Checksums are looked at in the tail, which is what a crash may tear.
    """
    at = 0
    while (found := _record_at(fd, at, end, name)) is not None:
        if end - at <= TAIL + ROOM and not is_right(fd, found):
            return None
        at = record_end(found.reference)
    return None if end - at > ROOM or os.pread(fd, end - at, at).strip(b"\0") else at


def inspected(fd: int, reference: Reference, *, deep: bool) -> Header:
    """The header of the record that a reference names. BlobGone for what is wrong with it."""
    header = unpack(os.pread(fd, reference.skip, reference.offset), trailing=reference.trailing)
    if header.head_size + header.body_size != reference.length:
        raise BlobGone("it is not the record at that place")
    head_at, body_at = payload_places(reference, header)
    if max(head_at + header.head_size, body_at + header.body_size) > os.fstat(fd).st_size:
        raise BlobGone("the file ends before the message does")
    if deep and not is_right(fd, Record(reference, header)):
        raise BlobGone("the stored message is damaged")
    return header


def count_records(fd: int, name: str) -> int:
    """How many records a file has, by their headers, up to the first that is damaged."""
    at, end, count = 0, os.fstat(fd).st_size, 0
    while at < end and (found := _record_at(fd, at, end, name)) is not None:
        at = record_end(found.reference)
        count += 1
    return count


def is_right(fd: int, record: Record) -> bool:
    """Whether header block and body have the checksums that the record's header says."""
    header = record.header
    head_at, body_at = payload_places(record.reference, header)
    return (
        _crc(fd, head_at, header.head_size) == header.head_crc
        and _crc(fd, body_at, header.body_size) == header.body_crc
    )


def _record_at(fd: int, at: int, end: int, name: str) -> Record | None:
    """The record that begins there, if its header is right and it ends within the file."""
    trailing = name.endswith(".blob")
    fixed_at = end - HEADER_SIZE if trailing else at
    if fixed_at < at:
        return None
    recovery = recovery_size(os.pread(fd, HEADER_SIZE, fixed_at))
    if recovery is None:
        return None
    skip = HEADER_SIZE + recovery
    block_at = fixed_at - recovery if trailing else fixed_at
    if block_at < 0 or block_at + skip > end:
        return None
    try:
        header = unpack(os.pread(fd, skip, block_at), trailing=trailing)
    except BlobGone:
        return None
    reference = Reference(name, block_at, skip, header.head_size + header.body_size)
    head_at, body_at = payload_places(reference, header)
    is_inside = (
        min(head_at, body_at) >= at and max(head_at + header.head_size, body_at + header.body_size) <= end
    )
    return Record(reference, header) if is_inside else None


def _next_record(fd: int, at: int, end: int, name: str) -> Record | None:
    """The first whole record from there on.

    Only short ones are believed, so that a message full of headers that lie costs little.
    """
    if name.endswith(".blob"):
        return None
    while (found := _next_header(fd, at, end, name)) is not None:
        if found.reference.length <= TAIL and is_right(fd, found):
            return found
        at = found.reference.offset + 1
    return None


def _next_header(fd: int, at: int, end: int, name: str) -> Record | None:
    """The first place from there on that has a right header and room for its record."""
    while at < end:
        piece = os.pread(fd, _PIECE, at)
        start = piece.find(MAGIC)
        while start >= 0:
            if (found := _record_at(fd, at + start, end, name)) is not None:
                return found
            start = piece.find(MAGIC, start + 1)
        if len(piece) < len(MAGIC):
            return None
        at += len(piece) - len(MAGIC) + 1  # one may begin at the end of this piece
    return None


def _crc(fd: int, at: int, size: int) -> int:
    crc, end = 0, at + size
    while at < end and (piece := os.pread(fd, min(_PIECE, end - at), at)):
        crc = crc32(piece, crc)
        at += len(piece)
    return crc
