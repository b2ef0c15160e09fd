"""Reads: straight from the page cache on the event loop, in a reader thread what is not cached."""

from __future__ import annotations

import asyncio
import errno
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zlib_ng.zlib_ng import crc32

from hub import BlobGone
from hub_plugin_blobs_segment.neighbours import Run, cut, runs
from hub_plugin_blobs_segment.record import Header, Reference, payload_places, store_of, unpack

PIECE: Final = 256 << 10
_NO_WAIT: Final = getattr(os, "RWF_NOWAIT", 0)
# EAGAIN is a page that is not cached; the others a file system that does not know the flag.
_NOT_AT_ONCE: Final = frozenset({errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class OpenFile:
    """A descriptor that is closed when nobody reads from it and the table has let go of it."""

    __slots__ = ("dropped", "fd", "readers")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.readers = 0
        self.dropped = False

    def close_if_unused(self) -> None:
        """Close it once both are true."""
        if self.dropped and not self.readers:
            os.close(self.fd)


class Reader:
    """Reads blobs of one store; keeps at most `limit` files open beyond those just being read."""

    def __init__(self, folder: Path, store: str, executor: Executor, *, limit: int) -> None:
        self._folder = folder
        self._store = store
        self._executor = executor
        self._limit = limit
        self._files: OrderedDict[str, OpenFile] = OrderedDict()

    def close(self) -> None:
        """Close every file that nobody reads from."""
        while self._files:
            self._drop(self._files.popitem()[1])

    async def read(self, text: str, offset: int, length: int | None) -> bytes:
        """Octets of head and body; checksums are verified over what is read whole."""
        reference = Reference.parse(text)
        start, end = _range(reference, offset, length)
        file = await self._acquire(reference.file)
        try:
            if not reference.trailing and reference.skip + end <= PIECE:
                return await self._read_small(file, reference, start, end)
            header = await self._header(file, reference)
            places = _places(reference, header, start, end, reference.length)
            data = b"".join([await self._read_at(file, at, size) for at, size in places])
            if (start, end) == (0, reference.length):
                _verify(header, memoryview(data))
            return data
        finally:
            self._release(file)

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        """The first octets of each; neighbours are read in one go."""
        found: list[bytes | BlobGone | None] = [None] * len(wanted)
        for run in runs(wanted):
            if len(run.each) > 1:
                await self._cut(run, found)
        # What is left: large, alone, damaged or gone; the last two for the reason.
        return [
            await self._one(text, length) if octets is None else octets
            for octets, (text, length) in zip(found, wanted, strict=True)
        ]

    async def _cut(self, run: Run, found: list[bytes | BlobGone | None]) -> None:
        """Put what can be read where it belongs."""
        try:
            file = await self._acquire(run.file)
        except BlobGone:
            return
        try:
            cut(await self._read_at(file, run.start, run.end - run.start), run, found)
        except BlobGone:
            return
        finally:
            self._release(file)

    async def _one(self, text: str, length: int | None) -> bytes | BlobGone:
        try:
            return await self.read(text, 0, length)
        except BlobGone as gone:
            return gone

    async def stream(self, text: str, offset: int, length: int | None) -> AsyncIterator[bytes]:
        """The same in pieces; of a whole blob the last piece is only given if the checksums are right."""
        reference = Reference.parse(text)
        start, end = _range(reference, offset, length)
        whole = (start, end) == (0, reference.length)
        file = await self._acquire(reference.file)
        try:
            header = await self._header(file, reference)
            sums = _Sums(header)
            done = start
            for at, size in _places(reference, header, start, end, PIECE):
                piece = await self._read_at(file, at, size)
                done += size
                if whole:
                    sums.add(piece, last=done == end)
                yield bytes(piece)
        finally:
            self._release(file)

    def drop_removed(self) -> None:
        """Let go of files that were removed, whose space comes back only then."""
        for name in [name for name, file in self._files.items() if not os.fstat(file.fd).st_nlink]:
            self._drop(self._files.pop(name))

    # -- one read ----------------------------------------------------------------------------------

    async def _read_small(self, file: OpenFile, reference: Reference, start: int, end: int) -> bytes:
        """Record header and message in one system call, as nearly every message is read."""
        skip = reference.skip
        data = memoryview(await self._read_at(file, reference.offset, skip + end))
        header = _checked(reference, data[:skip])
        message = data[skip:]
        if end == reference.length:
            _verify(header, message)
        elif end >= header.head_size:
            _verify_head(header, message)
        return bytes(message[start:])

    async def _header(self, file: OpenFile, reference: Reference) -> Header:
        return _checked(reference, await self._read_at(file, reference.offset, reference.skip))

    async def _read_at(self, file: OpenFile, at: int, size: int) -> bytes | bytearray:
        """Exactly these octets of the file. BlobGone if it ends before."""
        if size <= PIECE and _NO_WAIT:
            buffer = bytearray(size)
            try:
                if os.preadv(file.fd, (buffer,), at, _NO_WAIT) == size:
                    return buffer
            except OSError as error:
                if error.errno not in _NOT_AT_ONCE:
                    raise
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, _read_fully, file.fd, at, size
        )

    # -- open files --------------------------------------------------------------------------------

    async def _acquire(self, name: str) -> OpenFile:
        if (store := store_of(name)) != self._store:
            raise BlobGone(f"{name} is in the store {store}, this one is {self._store}")
        file = self._files.get(name)
        if file is None:
            fd = await self._opened(self._folder / name)
            file = self._files.get(name)
            if file is not None:
                os.close(fd)  # opened twice at the same time
            else:
                file = self._files[name] = OpenFile(fd)
        file.readers += 1
        self._files.move_to_end(name)
        while len(self._files) > self._limit:
            self._drop(self._files.popitem(last=False)[1])
        return file

    async def _opened(self, path: Path) -> int:
        opening = asyncio.get_running_loop().run_in_executor(self._executor, _open, path)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    def _release(self, file: OpenFile) -> None:
        file.readers -= 1
        file.close_if_unused()

    def _drop(self, file: OpenFile) -> None:
        file.dropped = True
        file.close_if_unused()


@dataclass(slots=True)
class _Sums:
    """The checksums of a message that passes by in pieces, none of which has octets of both parts."""

    header: Header
    done: int = 0
    head: int = 0
    body: int = 0

    def add(self, piece: bytes | bytearray, *, last: bool) -> None:
        if self.done < self.header.head_size:
            self.head = crc32(piece, self.head)
        else:
            self.body = crc32(piece, self.body)
        self.done += len(piece)
        if last and (self.head, self.body) != (self.header.head_crc, self.header.body_crc):
            raise BlobGone("the stored message is damaged")


def _range(reference: Reference, offset: int, length: int | None) -> tuple[int, int]:
    """The wanted part of the message, from and to, cut to what there is. ValueError for a negative one."""
    if offset < 0 or (length is not None and length < 0):
        raise ValueError(
            f"a part of a message begins at 0 and has 0 octets or more, not {offset} and {length}"
        )
    start = min(offset, reference.length)
    return start, reference.length if length is None else min(start + length, reference.length)


def _places(reference: Reference, header: Header, start: int, end: int, most: int) -> list[tuple[int, int]]:
    """(place in the file, octets) of a part of the message, `most` each, cut where the body begins."""
    head_at, body_at = payload_places(reference, header)
    places: list[tuple[int, int]] = []
    while start < end:
        in_head = start < header.head_size
        stop = min(end, start + most, header.head_size if in_head else end)
        places.append((head_at + start if in_head else body_at + start - header.head_size, stop - start))
        start = stop
    return places


def _checked(reference: Reference, block: bytes | bytearray | memoryview) -> Header:
    header = unpack(block, trailing=reference.trailing)
    if header.head_size + header.body_size != reference.length:
        raise BlobGone(f"{reference} is not the record at that place")
    return header


def _verify_head(header: Header, message: memoryview) -> None:
    if crc32(message[: header.head_size]) != header.head_crc:
        raise BlobGone("the stored header block is damaged")


def _verify(header: Header, message: memoryview) -> None:
    _verify_head(header, message)
    if crc32(message[header.head_size :]) != header.body_crc:
        raise BlobGone("the stored message is damaged")


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BlobGone(f"{path.name} is not in the store") from None


def _close_opened(opening: asyncio.Future[int]) -> None:
    """Nobody waits for the descriptor any more."""
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def _read_fully(fd: int, at: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size:
        piece = os.pread(fd, size, at)
        if not piece:
            raise BlobGone("the file ends before the message does")
        pieces.append(piece)
        at += len(piece)
        size -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
