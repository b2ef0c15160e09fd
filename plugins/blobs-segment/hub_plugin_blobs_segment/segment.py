"""Segments: appended to by one process each, read record by record to be checked or indexed anew."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub import BlobGone
from hub_plugin_blobs_segment.folder import (
    as_store_error,
    check_space,
    create_locked,
    left_behind,
    sync_folder,
)
from hub_plugin_blobs_segment.record import HEADER_SIZE, Header, Reference, pack, recovery_size, unpack

_IOV_MAX: Final = 1024
_SCAN_PIECE: Final = 1 << 20
_SMALL: Final = 16 * 1024


class Put:
    """One message to be written.

    The record header of a small one is made here, on the event loop: the writer's thread would fight the loop
    for Python's lock. The checksum of a larger one takes longer than that, and does not need the lock.
    """

    __slots__ = ("_made", "_recovery", "_time", "body", "head")

    def __init__(self, head: bytes, body: bytes, recovery: bytes, time: float) -> None:
        self.head = head
        self.body = body
        self._recovery = recovery
        self._time = time
        self._made = self._make() if len(head) + len(body) <= _SMALL else None

    def block(self) -> bytes:
        """The octets of the record header."""
        return self._made or self._make()

    def _make(self) -> bytes:
        head, body = self.head, self.body
        return pack(
            Header(len(head), len(body), zlib.crc32(head), zlib.crc32(body), self._time, self._recovery)
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One whole message found in a file of the store."""

    reference: Reference
    header: Header


class SegmentWriter:
    """Appends groups to this process's segment; all its methods run in one thread, the group writer's."""

    def __init__(self, folder: Path, store: str, *, segment_size: int, keep_free: int) -> None:
        self._folder = folder
        self._store = store
        self._segment_size = segment_size
        self._keep_free = keep_free
        self._fd = -1
        self._path = folder
        self._end = 0

    def write(self, group: Sequence[Put]) -> Sequence[str]:
        """Append and sync; the references. After a failure none of it counts and the segment is done."""
        check_space(self._folder, sum(len(put.head) + len(put.body) for put in group), self._keep_free)
        if self._fd < 0:
            self._open()
        buffers: list[bytes] = []
        references: list[str] = []
        at = self._end
        for put in group:
            block = put.block()
            size = len(put.head) + len(put.body)
            buffers += (block, put.head, put.body)
            references.append(f"{self._path.name}:{at}:{len(block)}:{size}")
            at += len(block) + size
        try:
            write_all(self._fd, buffers, self._end)
            os.fdatasync(self._fd)
        except OSError as error:
            self._seal()
            raise as_store_error(error) from error
        self._end = at
        if at >= self._segment_size:
            self._seal()
        return references

    def close(self) -> None:
        """Leave the segment for the next process."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        for fd, path in left_behind(self._folder, ".seg"):
            try:
                end = whole_size(path)
            except (OSError, BlobGone):
                os.close(fd)  # for whoever looks after the disk
                continue
            self._fd, self._path, self._end = fd, path, end
            if end == os.fstat(fd).st_size < self._segment_size:
                return
            self._seal()  # full, or its tail was torn by a crash and must not stand between records
        try:
            self._fd, self._path = create_locked(self._folder, self._store, ".seg")
            self._end = 0
            sync_folder(self._folder)
        except OSError as error:
            self.close()
            raise as_store_error(error) from error

    def _seal(self) -> None:
        """Nobody appends any more: after a failed sync nobody knows which of its pages are on the disk."""
        fd, self._fd = self._fd, -1
        try:
            if self._end:
                os.fchmod(fd, 0o400)
            else:
                self._path.unlink(missing_ok=True)  # nothing in it was ever answered for
        except OSError:
            pass  # the disk refuses even that; whoever takes it over checks every record first
        finally:
            os.close(fd)


def write_all(fd: int, buffers: Sequence[bytes], offset: int) -> None:
    """Write buffers one after the other without joining them, however many the system takes at once."""
    for start in range(0, len(buffers), _IOV_MAX):
        batch: Sequence[bytes | memoryview] = buffers[start : start + _IOV_MAX]
        left = sum(map(len, batch))
        while left:
            written = os.pwritev(fd, batch, offset)
            offset += written
            left -= written
            if left:
                batch = _rest(batch, written)


def _rest(buffers: Sequence[bytes | memoryview], written: int) -> Sequence[bytes | memoryview]:
    for index, buffer in enumerate(buffers):
        if written < len(buffer):
            return [memoryview(buffer)[written:], *buffers[index + 1 :]]
        written -= len(buffer)
    return []


def scan(path: Path) -> Iterator[Record]:
    """The whole records of a segment or a large message's file, in order, their checksums verified.

    Ends at the first octet that begins no whole record: the end, what another process is writing, or a torn
    tail. BlobGone if there is no such file, OSError if it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobGone(f"{path} is not there") from None
    try:
        at, end = 0, os.fstat(fd).st_size
        while (found := _record_at(fd, at, end, path.name)) is not None:
            yield found
            at += found.reference.skip + found.reference.length
    finally:
        os.close(fd)


def whole_size(path: Path) -> int:
    """Octets up to the end of the last whole record."""
    end = 0
    for record in scan(path):
        end = record.reference.offset + record.reference.skip + record.reference.length
    return end


def _record_at(fd: int, at: int, end: int, name: str) -> Record | None:
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
    whole = (
        min(head_at, body_at) >= at
        and max(head_at + header.head_size, body_at + header.body_size) <= end
        and _crc(fd, head_at, header.head_size) == header.head_crc
        and _crc(fd, body_at, header.body_size) == header.body_crc
    )
    return Record(reference, header) if whole else None


def _crc(fd: int, at: int, size: int) -> int:
    crc, end = 0, at + size
    while at < end and (piece := os.pread(fd, min(_SCAN_PIECE, end - at), at)):
        crc = zlib.crc32(piece, crc)
        at += len(piece)
    return crc


def payload_places(reference: Reference, header: Header) -> tuple[int, int]:
    """Where in the file the header block and the body begin."""
    if reference.trailing:
        return reference.offset - header.head_size, reference.offset - header.head_size - header.body_size
    start = reference.offset + reference.skip
    return start, start + header.head_size
