"""The open database: two writers, a pool of readers, all in threads, and a listener on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final, TypeVar, cast

from hub import AccountRef, Clock, GroupWriter, LogEntry, Logger, Secret
from hub_plugin_storage_sql import reading
from hub_plugin_storage_sql.database import Reads
from hub_plugin_storage_sql.postgresql.connection import PostgresConnection, postgres_compiler
from hub_plugin_storage_sql.postgresql.errors import translated
from hub_plugin_storage_sql.postgresql.positions import NOTE, settled
from hub_plugin_storage_sql.postgresql.wakeup import Wakeup
from hub_plugin_storage_sql.postgresql.writer import CHANNEL, Work, Writer
from hub_plugin_storage_sql.transaction import Transaction

R = TypeVar("R")

READERS: Final = 4


class PostgresDatabase:
    """Made and used on one event loop; the schema is known to be right.

    Mail is written in READ COMMITTED, each account's row locked before it is read; what belongs to no account
    is SERIALIZABLE, over a connection of its own, and needs no locks.
    """

    def __init__(self, url: Secret, clock: Clock, logger: Logger) -> None:
        self._url = url
        self._compiler = postgres_compiler()
        self._readers = ThreadPoolExecutor(READERS, "index-read")
        self._idle: list[PostgresConnection] = []
        self._wakeup = Wakeup(url, self._read_log, logger)
        self._writes = [PostgresConnection(url, self._compiler, read_only=False) for _ in range(2)]
        accounts = Writer(self._writes[0], clock, "READ COMMITTED", also=NOTE, notice=f"NOTIFY {CHANNEL}")
        apart = Writer(self._writes[1], clock, "SERIALIZABLE")
        self._accounts: GroupWriter[Work, object] = GroupWriter("index-write", accounts.commit)
        self._apart: GroupWriter[Work, object] = GroupWriter("index-write-apart", apart.commit)

    async def start(self) -> None:
        """Listen to what is committed. OSError if the server cannot be reached."""
        await self._wakeup.start()

    async def close(self) -> None:
        """Commit what is waiting and let the server go."""
        await self._wakeup.close()
        await self._accounts.close()
        await self._apart.close()
        await asyncio.to_thread(self._close_connections)

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""
        return self._accounts.waiting + self._apart.waiting

    @property
    def trouble(self) -> str:
        """Why the server cannot be reached."""
        return self._wakeup.trouble

    async def write(
        self,
        work: Callable[[Transaction], R],
        *,
        brief: bool = False,
        accounts: Sequence[AccountRef] = (),
    ) -> R:
        """Do the work in the next group commit; durable when this returns."""
        return cast(R, await self._accounts.submit(Work(work, tuple(accounts))))

    async def write_apart(self, work: Callable[[Transaction], R]) -> R:
        """The same for rows that belong to no account."""
        return cast(R, await self._apart.submit(Work(work)))

    async def point(self, work: Callable[[Reads], R]) -> R:
        """Read a few rows by key."""
        return await self._in_reader(work)

    def peek(self, work: Callable[[Reads], R]) -> R | None:
        """None: the server is elsewhere."""
        return None

    async def read(self, work: Callable[[Reads], R]) -> R:
        """Read any number of rows, all from one state of the database."""

        def consistently(connection: PostgresConnection) -> R:
            connection.begin("REPEATABLE READ")
            try:
                return work(connection)
            finally:
                connection.roll_back()

        return await self._in_reader(consistently)

    async def settled(self) -> int:
        """Up to the oldest transaction that is still open."""
        return await self._in_reader(lambda connection: connection.ask(settled))

    def watch(self, watcher: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call it on the event loop with every new entry of the log; gives the function that ends it."""
        return self._wakeup.watch(watcher)

    async def _read_log(self, after: int, limit: int, upto: int) -> Sequence[LogEntry]:
        return await self.point(lambda db: reading.log(db, after, limit, upto))

    async def _in_reader(self, work: Callable[[PostgresConnection], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def _read(self, work: Callable[[PostgresConnection], R]) -> R:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = PostgresConnection(self._url, self._compiler, read_only=True)

        def attempt() -> R:
            connection.ensure()
            try:
                return work(connection)
            except Exception:
                if not connection.is_lost:
                    raise
            connection.ensure()  # the server was started anew since the last read: nobody need notice
            return work(connection)

        try:
            return connection.do(attempt)
        except Exception as error:
            if connection.is_open:
                raise
            raise translated(error) from error
        finally:
            self._idle.append(connection)

    def _close_connections(self) -> None:
        self._readers.shutdown()
        with ExitStack() as stack:  # all of them, whichever fails
            for connection in (*self._idle, *self._writes):
                stack.callback(connection.close)
