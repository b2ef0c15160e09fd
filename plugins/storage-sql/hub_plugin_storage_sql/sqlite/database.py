"""The open database: one writer thread, a connection for the event loop, readers in threads."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar, cast

from hub import AccountRef, Clock, GroupWriter, LogEntry, Logger
from hub_plugin_storage_sql.database import MAX_POSITION, Reads
from hub_plugin_storage_sql.sqlite.checkpoints import BACKSTOP, Checkpoints
from hub_plugin_storage_sql.sqlite.connection import SqliteConnection, sqlite_compiler
from hub_plugin_storage_sql.sqlite.errors import translated
from hub_plugin_storage_sql.sqlite.wakeup import Wakeup
from hub_plugin_storage_sql.transaction import Transaction

R = TypeVar("R")

READERS: Final = 4
BRIEF_GROUP: Final = 128
"""Pieces of brief work that the event loop does at once: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done in a transaction. brief: it touches a few rows by key."""

    do: Callable[[Transaction], object]
    brief: bool


class SqliteDatabase:
    """Made and used on one event loop; the file's schema is known to be right.

    reserve: octets of the disk that are kept free of new mail.
    """

    def __init__(self, path: Path, clock: Clock, logger: Logger, reserve: int) -> None:
        self._path = path
        self._clock = clock
        self._reserve = reserve
        self._compiler = sqlite_compiler()
        self._writes = SqliteConnection(path, self._compiler, read_only=False)
        prepare_writer(self._writes)
        self._writes.raw.execute("PRAGMA busy_timeout = 0")  # `begin` knows how to wait
        self._points = SqliteConnection(path, self._compiler, read_only=True)
        self._readers = ThreadPoolExecutor(READERS, "index-read")
        self._idle: list[SqliteConnection] = []
        self._wakeup = Wakeup(self._points, logger)
        self._checkpoints = Checkpoints(SqliteConnection(path, self._compiler, read_only=False), logger)
        self._prepared: list[object] | None = None  # results of an open transaction, to be committed
        self._writer: GroupWriter[Work, object] = GroupWriter(
            "index-write",
            self._commit_group,
            prepare=self._prepare,
            answered=self._answered,
            quiet_turns=1,  # accepted mail comes in the groups in which its bytes were synced
        )

    async def close(self) -> None:
        """Commit what is waiting and let the file go."""
        self._wakeup.close()
        await self._writer.close()
        await self._checkpoints.close()
        await asyncio.to_thread(self._readers.shutdown)
        for connection in (*self._idle, self._points, self._writes):
            connection.close()

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""
        return self._writer.waiting

    async def write(
        self,
        work: Callable[[Transaction], R],
        *,
        brief: bool = False,
        accounts: Sequence[AccountRef] = (),
    ) -> R:
        """Do the work in the next group commit; durable when this returns."""
        return cast(R, await self._writer.submit(Work(work, brief)))

    async def write_apart(self, work: Callable[[Transaction], R]) -> R:
        """Like every other: the file has one lock for all."""
        return await self.write(work)

    async def point(self, work: Callable[[Reads], R]) -> R:
        """Read a few rows by key, here and now."""
        return work(self._points)

    def peek(self, work: Callable[[Reads], R]) -> R:
        """The same without waiting."""
        return work(self._points)

    async def read(self, work: Callable[[Reads], R]) -> R:
        """Read any number of rows in a thread, all from one state of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def settled(self) -> int:
        """Every position: they are given and become visible under the one lock."""
        return MAX_POSITION

    @property
    def trouble(self) -> str:
        """None that would last: a file is there, or the hub does not start."""
        return ""

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

    def _prepare(self, works: Sequence[Work]) -> None:
        """Do brief work on the event loop, if no other process writes just now: all but the commit.

        SQLite's calls release Python's lock one by one; in a thread each of them would fight the loop for it.
        """
        self._prepared = None
        if len(works) > BRIEF_GROUP or not all(work.brief for work in works):
            return
        try:
            self._prepared = self._do(works, self._begin(wait=False))
        except BaseException:  # a busy database, or a guilty piece of work: the thread begins anew
            self._undo()

    def _answered(self) -> None:
        """Whoever wrote is not kept waiting while others hear of it."""
        self._wakeup.tell()
        self._checkpoints.committed(self._writes.raw.total_changes)

    def _commit_group(self, works: Sequence[Work]) -> list[object | BaseException]:
        results, self._prepared = self._prepared, None
        if results is not None:
            try:
                return self._end(results)
            except BaseException:
                self._undo()
        return self._commit(works)

    def _commit(self, works: Sequence[Work]) -> list[object | BaseException]:
        """All in one transaction; when it fails, each half in its own, so that the guilty fails alone."""
        try:
            tx = self._begin(wait=True)
        except Exception as error:
            return [translated(error)] * len(works)
        try:
            return self._end(self._do(works, tx))
        except BaseException as error:
            self._undo()
            if len(works) == 1:
                return [translated(error)]
            half = len(works) // 2
            return [*self._commit(works[:half]), *self._commit(works[half:])]

    def _begin(self, *, wait: bool) -> Transaction:
        """Take the write lock; from another process it is waited for, or sqlite3.OperationalError."""
        self._writes.roll_back()  # there is something to undo only after a rollback that failed itself
        self._writes.begin(wait=wait)
        return Transaction(self._writes, self._clock.time(), self._free)

    def _do(self, works: Sequence[Work], tx: Transaction) -> list[object]:
        results = []
        for work in works:
            tx.begin()
            results.append(work.do(tx))
        tx.flush()
        return results

    def _end(self, results: list[object]) -> list[object]:
        self._writes.raw.execute("COMMIT")
        return results

    def _undo(self) -> None:
        with suppress(sqlite3.Error):
            self._writes.roll_back()

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
        f"wal_autocheckpoint = {BACKSTOP}",
        # What is deleted is not overwritten with zeros, as Debian's SQLite does: pages that are empty
        # need not be written, and the messages themselves stay in their segments until those are compacted.
        "secure_delete = OFF",
        f"journal_size_limit = {BACKSTOP * 4096}",  # what a large change has made of the log is given back
    ):
        connection.raw.execute(f"PRAGMA {setting}")
