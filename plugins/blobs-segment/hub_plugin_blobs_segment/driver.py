"""The driver that the hub enters: one writer, one spool folder and one reader over the same folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from hub import (
    BlobGone,
    BlobRecord,
    Collected,
    Duration,
    GroupWriter,
    Plugin,
    Progress,
    References,
    Spool,
    no_progress,
)
from hub_plugin_blobs_segment.collecting import Collector
from hub_plugin_blobs_segment.folder import file_sizes, remove_parts, store_name
from hub_plugin_blobs_segment.holds import Holds
from hub_plugin_blobs_segment.inspecting import inspect_all, record_of
from hub_plugin_blobs_segment.reading import Reader
from hub_plugin_blobs_segment.record import check_sizes
from hub_plugin_blobs_segment.scanning import Record, scan
from hub_plugin_blobs_segment.segment import Put, SegmentWriter
from hub_plugin_blobs_segment.spool import FileSpool, PartFile

_THREADS: Final = 4
_RECORDS: Final = 64
"""Records that are read before the event loop hears of them."""
REMOVED_SECONDS: Final = 60.0
"""How long a file that somebody has removed may be kept open for reading, and its space with it."""


class Settings(BaseModel):
    """`[plugins.blobs-segment]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment_size: int = Field(
        default=64 << 20,
        ge=4096,
        description="octets after which a segment is sealed and the next one opened",
    )
    keep_free: int = Field(
        default=64_000_000,
        ge=0,
        description="octets of the disk that new mail leaves free, so that the rest goes on",
    )
    open_files: int = Field(default=128, ge=1, description="segments that are kept open for reading")
    compact_at: float = Field(
        default=0.5, gt=0, le=1, description="share of a segment from which on its garbage is collected"
    )
    collect_after: Duration = Field(
        default=600.0, description="how long nothing was written to a file before it is collected from"
    )


class SegmentBlobs:
    """Message bytes in the segments of `plugin.data_dir`; see the package's docstring for what lies there."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._folder: Path = plugin.data_dir
        self._resources = AsyncExitStack()
        self._spools: set[FileSpool] = set()
        self._holds = Holds()

    async def __aenter__(self) -> Self:
        self._store = await asyncio.to_thread(store_name, self._folder)
        if removed := await asyncio.to_thread(remove_parts, self._folder):
            self._plugin.log.info("unfinished messages removed", count=removed)
        settings = self._settings
        self._readers = ThreadPoolExecutor(_THREADS, "blobs-read")
        self._resources.callback(self._readers.shutdown)
        self._reader = Reader(self._folder, self._store, self._readers, limit=settings.open_files)
        self._resources.callback(self._reader.close)
        self._spoolers = ThreadPoolExecutor(_THREADS, "blobs-spool")
        self._resources.callback(self._spoolers.shutdown)
        self._resources.push_async_callback(self._discard_spools)
        self._resources.callback(self._holds.close)
        segment = SegmentWriter(
            self._folder,
            self._store,
            self._holds,
            segment_size=settings.segment_size,
            keep_free=settings.keep_free,
        )
        self._resources.callback(segment.close)
        self._writer = GroupWriter[Put, str]("blobs-write", segment.write)
        self._resources.push_async_callback(self._writer.close)
        self._plugin.every(REMOVED_SECONDS, self._drop_removed)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._resources.aclose()

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        """One record in this process's segment. StoreFull, OSError."""
        check_sizes(head, recovery)
        put = Put(head, body, recovery, self._plugin.clock.time())
        try:
            return await self._writer.submit(put)
        except asyncio.CancelledError:
            self._holds.abandon(put)
            raise

    async def spool(self) -> Spool:
        """A file of its own, locked while it is written. StoreFull, OSError."""
        file = await asyncio.get_running_loop().run_in_executor(self._spoolers, self._new_part)
        spool = FileSpool(file, self._spoolers, self._holds, self._plugin.clock.time, self._spools.discard)
        self._spools.add(spool)
        return spool

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        """Part of a message; in a reader thread unless it is cached. BlobGone."""
        return await self._reader.read(reference, offset, length)

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        """The beginnings of many messages, those that lie side by side in one go."""
        return await self._reader.read_many(wanted)

    def stream(self, reference: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces. BlobGone, at the latest in place of the last piece."""
        return self._reader.stream(reference, offset, length)

    async def status(self) -> Mapping[str, object]:
        """Driver, files and their octets."""
        loop = asyncio.get_running_loop()
        sizes = await loop.run_in_executor(self._readers, file_sizes, self._folder)
        return {"driver": "blobs-segment", "segments": len(sizes), "octets": sum(sizes.values())}

    def settle(self, reference: str) -> None:
        """It has its rows by now, or will never have any."""
        self._holds.settle(reference)

    async def inspect(self, references: Sequence[str], *, deep: bool) -> Sequence[BlobRecord | BlobGone]:
        """What is known of each, or what is wrong with it."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, inspect_all, self._folder, self._store, references, deep
        )

    async def records(self, progress: Progress = no_progress) -> AsyncIterator[BlobRecord | BlobGone]:
        """All whole messages of all files, by the age of the files, and what is damaged between them."""
        loop = asyncio.get_running_loop()
        sizes = await loop.run_in_executor(self._readers, file_sizes, self._folder)
        total, done = sum(sizes.values()), 0
        for path, size in sizes.items():
            with closing(scan(path)) as found:
                while batch := await loop.run_in_executor(self._readers, _next, found):
                    for each in batch:
                        yield record_of(each.reference, each.header) if isinstance(each, Record) else each
            done += size
            progress(done, total)

    async def collect(
        self,
        index: References,
        *,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> Collected:
        """Remove files without rows, compact segments of which enough is garbage, or with `force` any."""
        settings = self._settings
        collector = Collector(
            self._folder,
            self._store,
            index,
            self._readers,
            share=0.0 if force else settings.compact_at,
            grace=settings.collect_after,
            segment_size=settings.segment_size,
        )
        collected = await collector.run(dry_run=dry_run, progress=progress)
        self._reader.drop_removed()
        return collected

    async def _drop_removed(self) -> None:
        self._reader.drop_removed()

    def _new_part(self) -> PartFile:
        return PartFile(self._folder, self._store, keep_free=self._settings.keep_free)

    async def _discard_spools(self) -> None:
        for spool in list(self._spools):
            await spool.discard()


def _next(found: Iterator[Record | BlobGone]) -> list[Record | BlobGone]:
    """The next few; none if the file is gone by now."""
    try:
        return list(islice(found, _RECORDS))
    except BlobGone:
        return []
