"""The open database: one writer thread, a connection for the event loop, readers in threads."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar, cast

from hub import Clock, GroupWriter, LogEntry, Logger
from hub_plugin_storage_sql.database import Reads
from hub_plugin_storage_sql.sqlite.connection import Compiler, SqliteConnection
from hub_plugin_storage_sql.sqlite.errors import translated
from hub_plugin_storage_sql.sqlite.wakeup import Wakeup
from hub_plugin_storage_sql.transaction import Transaction

R = TypeVar("R")

READERS: Final = 4


class SqliteDatabase:
    """Made and used on one event loop; the file's schema is known to be right.

    reserve: octets of the disk that are kept free of new mail.
    """

    def __init__(self, path: Path, clock: Clock, logger: Logger, reserve: int) -> None:
        self._path = path
        self._clock = clock
        self._reserve = reserve
        self._compiler = Compiler()
        self._writes = SqliteConnection(path, self._compiler, read_only=False)
        prepare_writer(self._writes)
        self._points = SqliteConnection(path, self._compiler, read_only=True)
        self._readers = ThreadPoolExecutor(READERS, "index-read")
        self._idle: list[SqliteConnection] = []
        self._wakeup = Wakeup(self._points, logger)
        self._writer: GroupWriter[Callable[[Transaction], object], object] = GroupWriter(
            "index-write", self._commit
        )

    async def close(self) -> None:
        """Commit what is waiting and let the file go."""
        self._wakeup.close()
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in (*self._idle, self._points, self._writes):
            connection.close()

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""
        return self._writer.waiting

    async def write(self, work: Callable[[Transaction], R]) -> R:
        """Do the work in the next group commit; durable when this returns."""
        return cast(R, await self._writer.submit(work))

    async def point(self, work: Callable[[Reads], R]) -> R:
        """Read a few rows by key, here and now."""
        return work(self._points)

    def peek(self, work: Callable[[Reads], R]) -> R:
        """The same without waiting."""
        return work(self._points)

    async def read(self, work: Callable[[Reads], R]) -> R:
        """Read any number of rows in a thread, all from one state of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def watch(self, watcher: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call it on the event loop with every new entry of the log; gives the function that ends it."""
        return self._wakeup.watch(watcher)

    def _read(self, work: Callable[[Reads], R]) -> R:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = SqliteConnection(self._path, self._compiler, read_only=True)
        try:
            connection.raw.execute("BEGIN")
            return work(connection)
        finally:
            connection.roll_back()
            self._idle.append(connection)

    def _commit(self, works: Sequence[Callable[[Transaction], object]]) -> list[object | BaseException]:
        """All in one transaction; when it fails, each half in its own, so that the guilty fails alone."""
        raw = self._writes.raw
        try:
            self._writes.roll_back()  # there is something to undo only after a rollback that failed itself
            raw.execute("BEGIN IMMEDIATE")
        except Exception as error:
            return [translated(error)] * len(works)
        try:
            tx = Transaction(self._writes, self._clock.time(), self._free)
            results: list[object | BaseException] = []
            for work in works:
                tx.begin()
                results.append(work(tx))
            tx.flush()
            raw.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._writes.roll_back()
            if len(works) == 1:
                return [translated(error)]
            half = len(works) // 2
            return [*self._commit(works[:half]), *self._commit(works[half:])]
        self._wakeup.committed()
        return results

    def _free(self) -> int:
        disk = os.statvfs(self._path)
        return disk.f_bavail * disk.f_frsize - self._reserve


def prepare_writer(connection: SqliteConnection) -> None:
    """Settings of a connection that writes: what is committed is synced, in the write-ahead log."""
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -8192",  # KiB
        "journal_size_limit = 33554432",  # what a large change has made of the log is given back
    ):
        connection.raw.execute(f"PRAGMA {setting}")
