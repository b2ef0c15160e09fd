"""A large message on its way in: its body goes to a file of its own, which becomes the blob."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

from zlib_ng.zlib_ng import crc32

from hub import BodyFile
from hub_plugin_blobs_segment.folder import as_store_error, check_space, create_locked, sync_folder
from hub_plugin_blobs_segment.holds import Holds, Pending
from hub_plugin_blobs_segment.record import Header, Reference, check_sizes, pack
from hub_plugin_blobs_segment.segment import write_all

_WRITE_BEHIND: Final = 1 << 20


class PartFile:
    """The file behind a spool; its methods block and run one at a time, in the spool's threads."""

    def __init__(self, folder: Path, store: str, *, keep_free: int) -> None:
        check_space(folder, _WRITE_BEHIND, keep_free)
        self._folder = folder
        self._keep_free = keep_free
        self._fd, self.path = create_locked(folder, store, ".part")
        self._size = 0
        self._crc = 0

    def write(self, chunks: list[bytes]) -> None:
        """Append chunks of the body; StoreFull, OSError."""
        octets = b"".join(chunks)  # each piece by itself would take Python's lock from the event loop again
        size = len(octets)
        try:
            check_space(self._folder, size, self._keep_free)
            write_all(self._fd, [octets], self._size)
        except OSError as error:
            raise as_store_error(error) from error
        # It goes to disk from now on: the sync of a small mail beside it would wait for what is unwritten.
        os.posix_fadvise(self._fd, self._size, size, os.POSIX_FADV_DONTNEED)
        self._crc = crc32(octets, self._crc)
        self._size += size

    def keep(self, head: bytes, recovery: bytes, time: float, holds: Holds) -> str:
        """End the file with head and record header, make it durable under its final name; the reference."""
        header = Header(len(head), self._size, crc32(head), self._crc, time, recovery)
        block = pack(header, trailing=True)
        final = self.path.with_suffix(".blob")
        try:
            write_all(self._fd, [head, block], self._size)
            os.fdatasync(self._fd)
            os.fchmod(self._fd, 0o400)
            self.path.rename(final)
            sync_folder(self._folder)
        except OSError as error:
            final.unlink(missing_ok=True)
            self.remove()
            raise as_store_error(error) from error
        reference = str(Reference(final.name, self._size + len(head), len(block), len(head) + self._size))
        holds.put(Pending(), final.name, reference)
        holds.sealed(final.name, self._fd)
        return reference

    def remove(self) -> None:
        """Give it up."""
        os.close(self._fd)
        self.path.unlink(missing_ok=True)


class FileSpool:
    """Collects up to 1 MiB in memory while the 1 MiB before is being written; `write` waits beyond that."""

    def __init__(
        self,
        file: PartFile,
        executor: Executor,
        holds: Holds,
        now: Callable[[], float],
        gone: Callable[[FileSpool], None],
    ) -> None:
        self._file = file
        self._executor = executor
        self._holds = holds
        self._now = now
        self._gone = gone
        self._chunks: list[bytes] = []
        self._pending = 0
        self._size = 0
        self._writing: asyncio.Future[None] | None = None
        self._failure: OSError | None = None
        self._open = True

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
            await self._settle()
            self._start()

    async def body(self) -> BodyFile:
        """The body as a file."""
        self._check()
        await self._flush()
        return BodyFile(self._file.path, 0, self._size)

    async def keep(self, head: bytes, recovery: bytes) -> str:
        """The reference, when file and name are durable. OSError: it is removed, nothing is tried again."""
        check_sizes(head, recovery)
        self._check()
        await self._flush()
        self._open = False
        self._gone(self)
        keeping = asyncio.get_running_loop().run_in_executor(
            self._executor, self._file.keep, head, recovery, self._now(), self._holds
        )
        try:
            return await asyncio.shield(keeping)
        except asyncio.CancelledError:
            keeping.add_done_callback(self._abandon)  # an orphan blob, or nothing
            raise

    async def discard(self) -> None:
        """Remove the file; nothing happens the second time or after `keep`."""
        if not self._open:
            return
        self._open = False
        self._chunks.clear()
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._executor, self._file.remove)
        self._gone(self)

    def _abandon(self, keeping: asyncio.Future[str]) -> None:
        if not keeping.cancelled() and keeping.exception() is None:
            self._holds.settle(keeping.result())

    def _check(self) -> None:
        if not self._open:
            raise ValueError("the spool was kept or discarded already")
        if self._failure is not None:
            raise self._failure

    async def _flush(self) -> None:
        await self._settle()
        self._start()
        await self._settle()

    def _start(self) -> None:
        if self._chunks:
            chunks, self._chunks, self._pending = self._chunks, [], 0
            self._writing = asyncio.get_running_loop().run_in_executor(
                self._executor, self._file.write, chunks
            )

    async def _settle(self) -> None:
        """Wait for the write that is under way."""
        if self._writing is None:
            return
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            self._failure = error
            raise
        self._writing = None
