"""Giving back the space of messages that no row refers to any more.

A file is looked at only under its lock, which a process holds as long as it may still give rows to what lies
there (`holds`). A file without any row is removed. A segment of which enough is garbage is read, what has
rows is appended to another one and synced, the rows are moved, and when none refers to it any more it is
removed. Wherever that is interrupted, rows refer to whole messages, and the rest is garbage.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from hub import BlobGone, Collected, Progress, References
from hub_plugin_blobs_segment.folder import file_sizes, lock, sync_folder
from hub_plugin_blobs_segment.holds import Holds
from hub_plugin_blobs_segment.record import Reference, payload_places
from hub_plugin_blobs_segment.scanning import count_records, inspected
from hub_plugin_blobs_segment.segment import Put, SegmentWriter

T = TypeVar("T")

BATCH: Final = 2 << 20
"""Octets that are moved in one change of the index."""
PAGE: Final = 1000
ROUNDS: Final = 5
"""How often a file is gone through before it is left for another time."""


@dataclass(slots=True)
class _Totals:
    """What was done so far; as in `Collected`."""

    blobs: int = 0
    moved: int = 0
    freed: int = 0
    left: int = 0
    damaged: list[str] = field(default_factory=list)

    def collected(self) -> Collected:
        return Collected(self.blobs, self.moved, self.freed, self.left, tuple(self.damaged))


class Collector:
    """One collection in one store.

    share: of a segment, from which on its garbage is worth the work. grace: seconds that a file must have
    been left alone. executor: for what blocks.
    """

    def __init__(
        self,
        folder: Path,
        store: str,
        index: References,
        executor: Executor,
        *,
        share: float,
        grace: float,
        segment_size: int,
    ) -> None:
        self._folder = folder
        self._index = index
        self._executor = executor
        self._share = share
        self._grace = grace
        self._totals = _Totals()
        self._holds = Holds()
        # What is collected may use the last of the disk: it is there to make room.
        self._target = SegmentWriter(folder, store, self._holds, segment_size=segment_size, keep_free=0)

    async def run(self, *, dry_run: bool, progress: Progress) -> Collected:
        """Go through all files: first remove those without rows, which makes room, then compact."""
        sizes = await self._threaded(file_sizes, self._folder)
        total, done = sum(sizes.values()), 0
        worthwhile: list[Path] = []
        try:
            for path, size in sizes.items():
                with _locked(path, self._grace) as fd:
                    if fd >= 0 and await self._look(path, fd, dry_run=dry_run):
                        worthwhile.append(path)
                done += size
                progress(done, total)
            for path in worthwhile:
                with _locked(path, self._grace) as fd:
                    if fd >= 0:
                        await self._compact(path, fd)
        finally:
            self._target.close()
            self._holds.close()
        return self._totals.collected()

    async def _look(self, path: Path, fd: int, *, dry_run: bool) -> bool:
        """Remove a file without rows; whether another one is worth to be compacted."""
        live = await self._live(path)
        size = os.fstat(fd).st_size
        garbage = size - sum(each.skip + each.length for each in live) if path.suffix == ".seg" else 0
        if live and not garbage:
            return False
        if not live:
            self._totals.blobs += await self._threaded(count_records, fd, path.name)
            self._totals.freed += size
            if not dry_run:
                await self._threaded(self._remove, path)
            return False
        if garbage < self._share * size:
            self._totals.left += garbage
            return False
        if dry_run:
            self._totals.blobs += await self._threaded(count_records, fd, path.name) - len(live)
            self._totals.freed += garbage
            self._totals.moved += len(live)
        return not dry_run

    async def _compact(self, path: Path, fd: int) -> None:
        """Move what has rows, then remove the file; it stays if anything in it is damaged."""
        await self._threaded(os.fchmod, fd, 0o400)  # whoever stops in the middle leaves it sealed
        size = os.fstat(fd).st_size
        records = await self._threaded(count_records, fd, path.name)
        moved: set[Reference] = set()
        damaged: dict[Reference, str] = {}
        for _ in range(ROUNDS):
            live = [each for each in await self._live(path) if each not in damaged]
            if not live:
                break
            for batch in _batches(sorted(live, key=lambda each: each.offset)):
                moved |= await self._move(fd, batch, damaged)
        self._totals.moved += len(moved)
        self._totals.damaged += [f"{each}: {why}" for each, why in damaged.items()]
        if not live and not damaged:
            await self._threaded(self._remove, path)
            self._totals.blobs += records - len(moved)
            self._totals.freed += size - sum(each.skip + each.length for each in moved)

    async def _move(self, fd: int, batch: list[Reference], damaged: dict[Reference, str]) -> set[Reference]:
        """Write messages anew, durable, and let the rows refer to the copies; which."""
        puts = await self._threaded(_read_all, fd, batch, damaged)
        if not puts:
            return set()
        written = await self._threaded(self._target.write, list(puts.values()))
        await self._index.move_references(dict(zip(map(str, puts), written, strict=True)))
        for reference in written:
            self._holds.settle(reference)
        return set(puts)

    async def _live(self, path: Path) -> list[Reference]:
        """What rows refer to in a file, each once."""
        found: dict[str, Reference] = {}
        after, before = f"{path.name}:", f"{path.name};"
        while uses := await self._index.references(after, before, PAGE):
            after = uses[-1].reference
            found |= {use.reference: Reference.parse(use.reference) for use in uses}
        return list(found.values())

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_folder(self._folder)

    async def _threaded(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


@contextmanager
def _locked(path: Path, grace: float) -> Iterator[int]:
    """The file, open and locked; -1 if it is gone, in use, or was written to a moment ago."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield -1
        return
    try:
        is_ours = lock(fd) and os.fstat(fd).st_nlink and time.time() - os.fstat(fd).st_mtime >= grace
        yield fd if is_ours else -1
    finally:
        os.close(fd)


def _batches(live: list[Reference]) -> Iterator[list[Reference]]:
    batch: list[Reference] = []
    size = 0
    for reference in live:
        if batch and size + reference.length > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(reference)
        size += reference.length
    if batch:
        yield batch


def _read_all(fd: int, batch: list[Reference], damaged: dict[Reference, str]) -> dict[Reference, Put]:
    """The messages as they are to be written anew; what is damaged is noted instead."""
    found: dict[Reference, Put] = {}
    for reference in batch:
        try:
            header = inspected(fd, reference, deep=True)
        except BlobGone as error:
            damaged[reference] = str(error)
            continue
        head_at, body_at = payload_places(reference, header)
        head, body = os.pread(fd, header.head_size, head_at), os.pread(fd, header.body_size, body_at)
        found[reference] = Put(head, body, header.recovery, header.time)
    return found
