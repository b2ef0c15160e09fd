"""Watching the log: every commit of every hub is told by NOTIFY, to a connection of the event loop's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

from hub import LogEntry, Logger, Secret
from hub_plugin_storage_sql.postgresql.connection import connect
from hub_plugin_storage_sql.postgresql.positions import settled
from hub_plugin_storage_sql.postgresql.writer import CHANNEL

BATCH: Final = 1000  # entries that are handed over before the loop may do something else
AGAIN_SECONDS: Final = 0.025
"""After which the log is looked at again while an older transaction holds newer entries back."""
QUIET_SECONDS: Final = 5.0
"""After which it is looked at though nothing was told: a hub that was killed after COMMIT has not told."""

Watcher: TypeAlias = Callable[[Sequence[LogEntry]], None]
ReadLog: TypeAlias = Callable[[int, int, int], Awaitable[Sequence[LogEntry]]]


class Wakeup:
    """Hands every new entry of the log to every watcher, in order.

    read_log: entries after a position, at most so many, up to another position. While nobody watches, it only
    follows the position, so that a watcher is told of everything from the moment when it began to watch.
    """

    def __init__(self, url: Secret, read_log: ReadLog, logger: Logger) -> None:
        self._url = url
        self._read_log = read_log
        self._logger = logger
        self._watchers: dict[object, Watcher] = {}
        self._position = 0
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""

    async def start(self) -> None:
        """Connect and find the newest position. OSError."""
        connection = await self._listen()
        self._position = await settled(connection)
        self._task = asyncio.create_task(self._run(connection))

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call it with what is new from now on, until the function that this gives is called."""
        key = object()
        self._watchers[key] = watcher

        def end() -> None:
            self._watchers.pop(key, None)

        return end

    async def close(self) -> None:
        """Tell nobody any more, and let the server go."""
        self._watchers.clear()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> Any:
        connection = await connect(self._url, read_only=True)
        connection.add_termination_listener(lambda _: self._told.set())
        await connection.add_listener(CHANNEL, lambda *_: self._told.set())
        return connection

    async def _run(self, connection: Any) -> None:
        while True:
            try:
                await self._follow(connection)
            except Exception as error:
                self._note(f"{type(error).__name__}: {error}")
            finally:
                connection.terminate()
            connection = await self._connect_again()
            self._note("")

    async def _connect_again(self) -> Any:
        while True:
            try:
                return await self._listen()
            except OSError as error:
                self._note(str(error))
                await asyncio.sleep(1)

    async def _follow(self, connection: Any) -> None:
        while True:
            self._told.clear()
            upto = await settled(connection)
            if not self._watchers:
                # Whoever begins to watch during the line above is told from before it.
                self._position = upto
            complete = upto <= self._position or await self._tell(upto)
            if complete:
                behind = upto < await connection.fetchval("SELECT last_value FROM log_position_seq")
                with suppress(TimeoutError):
                    # Not wait_for: before Python 3.12 it may lose a cancellation that comes with the event.
                    async with asyncio.timeout(AGAIN_SECONDS if behind else QUIET_SECONDS):
                        await self._told.wait()

    async def _tell(self, upto: int) -> bool:
        """Hand over the next entries; whether those were all."""
        entries = await self._read_log(self._position, BATCH, upto)
        self._position = entries[-1].position if len(entries) == BATCH else upto
        for watcher in tuple(self._watchers.values()) if entries else ():
            try:
                watcher(entries)
            except Exception as error:
                self._logger.error(
                    "a watcher of the change log failed", watcher=repr(watcher), error=repr(error)
                )
        return len(entries) < BATCH

    def _note(self, trouble: str) -> None:
        """The log is told of a change only, not of each attempt."""
        if trouble and not self.trouble:
            self._logger.error("the database cannot be reached", error=trouble)
        elif self.trouble and not trouble:
            self._logger.info("the database is back")
        self.trouble = trouble
