"""Watching the log: our own commits are noticed by a call, other processes' by SQLite's data_version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from hub import LogEntry, Logger
from hub_plugin_storage_sql.reading import log, log_position
from hub_plugin_storage_sql.sqlite.connection import SqliteConnection

POLL_SECONDS: Final = 0.005  # so that a client in IDLE hears of another worker's commit within 5 ms
BATCH: Final = 1000  # entries that are handed over before the loop may do something else

Watcher: TypeAlias = Callable[[Sequence[LogEntry]], None]


class Wakeup:
    """Hands every new entry of the log to every watcher, in order; costs nothing while there is none."""

    def __init__(self, connection: SqliteConnection, logger: Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._watchers: dict[object, Watcher] = {}
        self._position = 0
        self._version = 0
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call it with what is new from now on, until the function that this gives is called."""
        if not self._watchers:
            # In this order: what is committed between the two is told of once more rather than never.
            self._version = self._data_version()
            self._position = log_position(self._connection)
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)
        key = object()
        self._watchers[key] = watcher

        def end() -> None:
            if self._watchers.pop(key, None) is not None and not self._watchers:
                self.close()

        return end

    def close(self) -> None:
        """Tell nobody any more."""
        self._watchers.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = self._loop.call_later(POLL_SECONDS, self._poll)
        version = self._data_version()
        if version != self._version:
            self._version = version
            self.tell()

    def tell(self) -> None:
        """Hand over what is new by now: this process may have committed something."""
        if not self._watchers:
            return
        entries = log(self._connection, self._position, BATCH)
        if not entries:
            return
        self._position = entries[-1].position
        if len(entries) == BATCH:
            self._loop.call_soon(self.tell)
        for watcher in tuple(self._watchers.values()):
            try:
                watcher(entries)
            except Exception as error:
                self._logger.error(
                    "a watcher of the change log failed", watcher=repr(watcher), error=repr(error)
                )

    def _data_version(self) -> int:
        version: int = self._connection.raw.execute("PRAGMA data_version").fetchone()[0]
        return version
