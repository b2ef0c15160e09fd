"""Bringing the write-ahead log into the file, while nobody waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hub import Logger
from hub_plugin_storage_sql.sqlite.connection import SqliteConnection

ROWS: Final = 1000
"""Rows changed after which there is enough in the log; mail that comes in dirties about a page for each."""
PAUSE: Final = 0.2  # seconds that what comes together is waited for
BACKSTOP: Final = 4096
"""Pages in the log after which a commit does it itself: under a load without a pause nobody else can begin
the log anew. As much as `journal_size_limit` leaves of it."""


class Checkpoints:
    """Of one process; another's make each other superfluous, and no harm is done when they meet.

    SQLite by itself does this within the commit that fills the log, whose caller then waits for all pages
    that were changed before to be written and synced. connection: for nobody else, and closed here.
    """

    def __init__(self, connection: SqliteConnection, logger: Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "index-checkpoint")
        self._timer: asyncio.TimerHandle | None = None
        self._rows = 0  # as the writer counts them, when the last one began

    def committed(self, rows: int) -> None:
        """The writer has changed so many rows since it was opened."""
        if self._timer is None and rows - self._rows >= ROWS:
            self._timer = self._loop.call_later(PAUSE, self._begin, rows)

    async def close(self) -> None:
        """Begin none any more, and end the one that is under way."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()

    def _begin(self, rows: int) -> None:
        self._rows = rows
        self._timer = None
        self._thread.submit(self._run)

    def _run(self) -> None:
        try:
            self._connection.raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (
            sqlite3.Error
        ) as error:  # the next commits find the log longer, and the last one does it itself
            self._logger.warning("the log of the index could not be brought into its file", error=repr(error))
