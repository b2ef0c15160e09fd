"""Segments as they are written: each by one process, which has it locked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from zlib_ng.zlib_ng import crc32

from hub_plugin_blobs_segment.folder import (
    as_store_error,
    check_space,
    create_locked,
    left_behind,
    sync_folder,
)
from hub_plugin_blobs_segment.holds import Holds, Pending
from hub_plugin_blobs_segment.record import Header, pack
from hub_plugin_blobs_segment.scanning import ROOM, whole_until

_IOV_MAX: Final = 1024
_SMALL: Final = 16 * 1024
_ZEROS: Final = bytes(ROOM)
_AMPLE: Final = 64 * ROOM
"""Octets of the disk that are left when one takes some that nobody needs yet."""


class Put(Pending):
    """One message to be written.

    The record header of a small one is made here, on the event loop: the writer's thread would fight the loop
    for Python's lock. The checksum of a larger one takes longer than that, and does not need the lock.
    """

    __slots__ = ("_made", "_recovery", "_time", "body", "head")

    def __init__(self, head: bytes, body: bytes, recovery: bytes, time: float) -> None:
        super().__init__()
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
        return pack(Header(len(head), len(body), crc32(head), crc32(body), self._time, self._recovery))


class SegmentWriter:
    """Appends groups to this process's segment; all its methods run in one thread, the group writer's.

    The file is longer than its records, by zeros that were synced with earlier ones: over them a sync writes
    those records and nothing else. Every octet that makes a file longer has the file system write what it
    notes of all its files, and that only after the octets of whoever else makes one longer meanwhile.
    """

    def __init__(self, folder: Path, store: str, holds: Holds, *, segment_size: int, keep_free: int) -> None:
        self._folder = folder
        self._holds = holds
        self._store = store
        self._segment_size = segment_size
        self._keep_free = keep_free
        self._fd = -1
        self._path = folder
        self._end = 0
        self._room = 0  # where the file ends, zeros and all

    def write(self, group: Sequence[Put]) -> Sequence[str]:
        """Append and sync; the references. After a failure none of it counts and the segment is done."""
        wanted = sum(len(put.head) + len(put.body) for put in group)
        free = check_space(self._folder, wanted, self._keep_free)
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
            if self._room < at < self._segment_size and free > _AMPLE:
                self._make_room(at)
            os.fdatasync(self._fd)
        except OSError as error:
            self._seal()
            raise as_store_error(error) from error
        self._end = at
        for put, reference in zip(group, references, strict=True):
            self._holds.put(put, self._path.name, reference)
        if at >= self._segment_size:
            self._seal()
        return references

    def _make_room(self, at: int) -> None:
        """Of zeros from there on; as many as the disk takes."""
        with suppress(OSError):  # the messages are in front of them
            write_all(self._fd, [_ZEROS[: self._segment_size - at]], at)
        self._room = os.fstat(self._fd).st_size

    def close(self) -> None:
        """Leave the segment for the next process."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.ftruncate(fd, self._end)
            except OSError:
                pass  # zeros do no harm
            finally:
                os.close(fd)

    def _open(self) -> None:
        for fd, path in left_behind(self._folder, ".seg"):
            try:
                self._room = os.fstat(fd).st_size
                end = whole_until(fd, self._room, path.name)
            except OSError:
                os.close(fd)  # for whoever looks after the disk
                continue
            self._fd, self._path, self._end = fd, path, self._room if end is None else end
            if end is not None and end < self._segment_size:
                return
            self._seal()  # full, or its tail was torn by a crash and must not stand between records
        try:
            self._fd, self._path = create_locked(self._folder, self._store, ".seg")
            self._end = self._room = 0
            sync_folder(self._folder)
        except OSError as error:
            self.close()
            raise as_store_error(error) from error

    def _seal(self) -> None:
        """Nobody appends any more: after a failed sync nobody knows which of its pages are on the disk."""
        fd, self._fd = self._fd, -1
        try:
            if self._end:
                if self._room > self._end:
                    os.ftruncate(fd, self._end)
                os.fchmod(fd, 0o400)
            else:
                self._path.unlink(missing_ok=True)  # nothing in it was ever answered for
        except OSError:
            pass  # the disk refuses even that; whoever takes it over checks every record first
        finally:
            self._holds.sealed(self._path.name, fd)


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
