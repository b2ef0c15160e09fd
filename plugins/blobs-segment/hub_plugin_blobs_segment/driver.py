"""The driver that the hub enters: one writer, one spool folder and one reader over the same folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from hub import GroupWriter, Plugin, Spool
from hub_plugin_blobs_segment.folder import remove_parts, store_name
from hub_plugin_blobs_segment.reading import Reader
from hub_plugin_blobs_segment.record import check_sizes
from hub_plugin_blobs_segment.segment import Put, SegmentWriter
from hub_plugin_blobs_segment.spool import FileSpool, PartFile

_THREADS: Final = 4


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


class SegmentBlobs:
    """Message bytes in the segments of `plugin.data_dir`; see the package's docstring for what lies there."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._folder: Path = plugin.data_dir
        self._resources = AsyncExitStack()
        self._spools: set[FileSpool] = set()

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
        segment = SegmentWriter(
            self._folder, self._store, segment_size=settings.segment_size, keep_free=settings.keep_free
        )
        self._resources.callback(segment.close)
        self._writer = GroupWriter[Put, str]("blobs-write", segment.write)
        self._resources.push_async_callback(self._writer.close)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._resources.aclose()

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        """One record in this process's segment. StoreFull, OSError."""
        check_sizes(head, recovery)
        return await self._writer.submit(Put(head, body, recovery, self._plugin.clock.time()))

    async def spool(self) -> Spool:
        """A file of its own, locked while it is written. StoreFull, OSError."""
        file = await asyncio.get_running_loop().run_in_executor(self._spoolers, self._new_part)
        spool = FileSpool(file, self._spoolers, self._plugin.clock.time, self._spools.discard)
        self._spools.add(spool)
        return spool

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        """Part of a message; in a reader thread unless it is cached. BlobGone."""
        return await self._reader.read(reference, offset, length)

    def stream(self, reference: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces. BlobGone, at the latest in place of the last piece."""
        return self._reader.stream(reference, offset, length)

    def _new_part(self) -> PartFile:
        return PartFile(self._folder, self._store, keep_free=self._settings.keep_free)

    async def _discard_spools(self) -> None:
        for spool in list(self._spools):
            await spool.discard()
