"""A large message on its way in: a file that plugins can read, copied into the tables when it is kept."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import secrets
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Final, TypeVar

from hub import BodyFile, StoreFull
from hub_plugin_blobs_sql.tables import PIECE

R = TypeVar("R")

_WRITE_BEHIND: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class PartFile:
    """The file behind a spool, locked while its process lives; its methods block, one at a time."""

    def __init__(self, folder: Path, keep_free: int) -> None:
        self._keep_free = keep_free
        self.path = folder / f"{secrets.token_hex(8)}.part"
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self.crc = 0

    def write(self, chunks: list[bytes]) -> None:
        """Append. StoreFull, OSError."""
        try:
            for chunk in chunks:
                self._require_room(len(chunk))
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
                self.crc = zlib.crc32(chunk, self.crc)
        except OSError as error:
            if error.errno in _FULL and not isinstance(error, StoreFull):
                raise StoreFull(error.errno, f"{self.path}: {os.strerror(error.errno or 0)}") from error
            raise

    def pieces(self, number: int, count: int) -> list[bytes]:
        """So many pieces from a number on, fewer at the end."""
        found = [os.pread(self._fd, PIECE, (number + index) * PIECE) for index in range(count)]
        return [piece for piece in found if piece]

    def remove(self) -> None:
        """Give it up."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def _require_room(self, wanted: int) -> None:
        disk = os.statvfs(self._fd)
        if disk.f_bavail * disk.f_frsize - wanted < self._keep_free:
            raise StoreFull(
                errno.ENOSPC, f"{self.path.parent}: too little of the disk is free for a large message"
            )


def remove_parts(folder: Path) -> int:
    """Remove the files of processes that are gone; how many there were."""
    count = 0
    for path in folder.glob("*.part"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)
            count += 1
    return count


class TableSpool:
    """Collects up to 1 MiB in memory before it is written.

    store: takes the file, the header block and the recovery bytes; gives the reference when all is durable.
    """

    def __init__(
        self,
        file: PartFile,
        executor: Executor,
        store: Callable[[TableSpool, bytes, bytes], Awaitable[str]],
        gone: Callable[[TableSpool], None],
    ) -> None:
        self.file = file
        self._executor = executor
        self._store = store
        self._gone = gone
        self._chunks: list[bytes] = []
        self._pending = 0
        self._size = 0
        self._open = True
        self._last: asyncio.Future[Any] | None = None

    @property
    def size(self) -> int:
        """Octets of body so far."""
        return self._size

    async def write(self, chunk: bytes) -> None:
        """Append to the body. StoreFull, OSError; after one the spool can only be discarded."""
        self._check()
        self._chunks.append(chunk)
        self._pending += len(chunk)
        self._size += len(chunk)
        if self._pending >= _WRITE_BEHIND:
            await self._flush()

    async def body(self) -> BodyFile:
        """The body as a file."""
        self._check()
        await self._flush()
        return BodyFile(self.file.path, 0, self._size)

    async def keep(self, head: bytes, recovery: bytes) -> str:
        """The reference, when every row is durable. OSError: nothing is tried again."""
        self._check()
        await self._flush()
        self._open = False
        try:
            return await self._store(self, head, recovery)
        finally:
            await self._remove()

    async def discard(self) -> None:
        """Remove the file; nothing happens the second time or after `keep`."""
        if self._open:
            self._open = False
            await self._remove()

    async def pieces(self, number: int, count: int) -> list[bytes]:
        """Pieces of the body, for whoever stores it."""
        return await self._in_thread(lambda: self.file.pieces(number, count))

    async def _flush(self) -> None:
        if self._chunks:
            chunks, self._chunks, self._pending = self._chunks, [], 0
            await self._in_thread(lambda: self.file.write(chunks))

    async def _remove(self) -> None:
        self._gone(self)
        await self._in_thread(self.file.remove)

    async def _in_thread(self, work: Callable[[], R]) -> R:
        # A cancelled caller leaves the thread to its work, and the next one waits for that: one at a time.
        if self._last is not None:
            await asyncio.wait([self._last])
        self._last = future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        return await asyncio.shield(future)

    def _check(self) -> None:
        if not self._open:
            raise ValueError("the spool was kept or discarded already")
