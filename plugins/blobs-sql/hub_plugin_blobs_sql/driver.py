"""The driver that the hub enters: blobs put, read, and looked after over a plugin's tables."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, insert, select

from hub import BlobGone, BlobRecord, Collected, Plugin, Progress, References, Spool, no_progress
from hub_plugin_blobs_sql import maintenance, reading
from hub_plugin_blobs_sql.names import Names, parse
from hub_plugin_blobs_sql.putting import Putter, add_chunks, blob_row, chunk_rows, message_rows
from hub_plugin_blobs_sql.spool import PartFile, TableSpool, remove_parts
from hub_plugin_blobs_sql.tables import METADATA, STORE
from hub_plugin_blobs_sql.writers import SAY_SECONDS, leave, say_settled

_THREADS: Final = 4
_PIECES: Final = 8
"""Chunks that are written in one transaction, and held in memory, when a large message is kept."""


class Settings(BaseModel):
    """`[plugins.blobs-sql]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_free: int = Field(
        default=64_000_000,
        ge=0,
        description="octets of this machine's disk that large messages leave free on their way in",
    )


class SqlBlobs:
    """Message bytes in the hub's database; see the package's docstring."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._spools: set[TableSpool] = set()

    async def __aenter__(self) -> Self:
        folder = self._plugin.data_dir
        if removed := await asyncio.to_thread(remove_parts, folder):
            self._plugin.log.info("unfinished messages removed", count=removed)
        self._tables = await self._plugin.tables(METADATA)
        self._names = Names(await self._tables.write(_store_name), self._plugin.clock.time)
        self._said_at = 0.0
        await self._say()
        self._threads = ThreadPoolExecutor(_THREADS, "blobs-spool")
        self._putter = Putter(self._tables)
        self._saying = asyncio.create_task(self._say_now_and_then())
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._saying.cancel()
        await asyncio.wait([self._saying])
        for spool in list(self._spools):
            await spool.discard()
        await self._putter.close()
        self._threads.shutdown()
        try:
            await leave(self._tables, self._names)
        except OSError as error:  # then its blobs are garbage an hour later
            self._plugin.log.warning("the end of this writer could not be noted", error=str(error))

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        """A row, and chunks for what is beyond 256 KiB. StoreFull, OSError."""
        name = await self._new_name()
        try:
            await self._putter.put(*message_rows(name, self._plugin.clock.time(), head, body, recovery))
        except BaseException:
            self._names.settle(name)
            raise
        return name

    async def spool(self) -> Spool:
        """A file of this machine, locked while it is written. StoreFull, OSError."""
        file = await asyncio.get_running_loop().run_in_executor(self._threads, self._new_part)
        spool = TableSpool(file, self._threads, self._keep, self._spools.discard)
        self._spools.add(spool)
        return spool

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        """Part of a message. BlobGone."""
        parse(reference, self._names.store)
        return await reading.read(self._tables, reference, offset, length)

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        """The beginnings of many messages, one after the other."""
        return [await self._beginning(reference, length) for reference, length in wanted]

    async def _beginning(self, reference: str, length: int | None) -> bytes | BlobGone:
        try:
            return await self.read(reference, 0, length)
        except BlobGone as gone:
            return gone

    async def stream(
        self, reference: str, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[bytes]:
        """The same in pieces. BlobGone, at the latest in place of the last piece."""
        parse(reference, self._names.store)
        async for piece in reading.stream(self._tables, reference, offset, length):
            yield piece

    # -- looking after the store

    async def status(self) -> Mapping[str, object]:
        """The driver; its octets are the database's."""
        return {"driver": "blobs-sql"}

    def settle(self, reference: str) -> None:
        """What this process put is garbage from now on unless rows refer to it."""
        self._names.settle(reference)

    async def inspect(self, references: Sequence[str], *, deep: bool) -> Sequence[BlobRecord | BlobGone]:
        """What is known of each of them, in their order."""
        return await maintenance.inspect(self._tables, self._names.store, references, deep=deep)

    def records(self, progress: Progress = no_progress) -> AsyncIterator[BlobRecord | BlobGone]:
        """Every blob by its age, verified."""
        return maintenance.records(self._tables, self._names.store, progress)

    async def collect(
        self,
        index: References,
        *,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress = no_progress,
    ) -> Collected:
        """Remove blobs without rows, with or without `force`; the database reuses their space."""
        await self._say()
        collection = maintenance.Collection(self._tables, self._names.store, index, self._plugin.clock.time())
        return await collection.run(dry_run=dry_run, progress=progress)

    # -- inside

    async def _new_name(self) -> str:
        # A process that was away for so long is believed dead before it has said that it is not.
        if self._plugin.clock.time() - self._said_at > 10 * SAY_SECONDS:
            await self._say()
        return self._names.new()

    async def _keep(self, spool: TableSpool, head: bytes, recovery: bytes) -> str:
        """Chunk by chunk, in transactions of their own, and at last the row of the blob."""
        name = await self._new_name()
        try:
            number = 0
            while pieces := await spool.pieces(number, _PIECES):
                await self._tables.write(partial(add_chunks, rows=chunk_rows(name, number, pieces)))
                number += len(pieces)
            time = self._plugin.clock.time()
            await self._putter.put(blob_row(name, time, head, spool.size, spool.file.crc, recovery, head), ())
        except BaseException:
            self._names.settle(name)
            raise
        return name

    def _new_part(self) -> PartFile:
        return PartFile(self._plugin.data_dir, self._settings.keep_free)

    async def _say(self) -> None:
        now = self._plugin.clock.time()
        await say_settled(self._tables, self._names, now)
        self._said_at = now

    async def _say_now_and_then(self) -> None:
        while True:
            await self._plugin.clock.sleep(SAY_SECONDS)
            try:
                await self._say()
            except Exception as error:
                self._plugin.log.warning("what is settled could not be noted", error=repr(error))


def _store_name(connection: Connection) -> str:
    """Made at the first use of the database."""
    name: str | None = connection.execute(select(STORE.c.name)).scalar()
    if name is None:
        name = secrets.token_hex(4)
        connection.execute(insert(STORE).values(id=1, name=name))
    return name
