"""Connections to the file, and the statements that they run."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.dialects import sqlite

from hub_plugin_storage_sql.compiling import Compiler, Values
from hub_plugin_storage_sql.database import Row, Statement

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for the write lock of another process."""
PAUSE: Final = 0.0001
"""Seconds after which it looks for the first time whether the lock is free."""
MOST_PAUSE: Final = 0.002


def sqlite_compiler() -> Compiler:
    """For the module `sqlite3`."""
    return Compiler(sqlite.dialect(paramstyle="qmark"))


class OwnedConnection(sqlite3.Connection):
    """A connection whose transactions are ours: SQLAlchemy, which believes them its own, ends none."""

    def commit(self) -> None:
        """Nothing: see the class."""

    def rollback(self) -> None:
        """Nothing: see the class."""


class SqliteConnection:
    """One connection, for one thread at a time: the Reads and Writes of this database."""

    def __init__(self, path: Path, compiler: Compiler, *, read_only: bool) -> None:
        self.raw = sqlite3.connect(
            f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=OwnedConnection,
        )
        self._compiler = compiler

    @cached_property
    def core(self) -> Connection:
        """The same connection for whole SQLAlchemy statements."""
        return create_engine("sqlite://", creator=lambda: self.raw, poolclass=NullPool).connect()

    def rows(self, statement: Statement, *values: object) -> list[Row]:
        """All rows of a query."""
        return self._execute(statement, values).fetchall()

    def row(self, statement: Statement, *values: object) -> Row | None:
        """The first row of a query."""
        row: Row | None = self._execute(statement, values).fetchone()
        return row

    locked = row  # the transaction has the lock of the whole file

    def run(self, statement: Statement, *values: object) -> int:
        """Execute once; how many rows it touched."""
        return self._execute(statement, values).rowcount

    def many(self, statement: Statement, values: Iterable[Values]) -> None:
        """Execute once for each sequence of values."""
        text, order = self._compiler(statement)
        self.raw.executemany(text, values if order is None else map(order, values))

    def begin(self, *, wait: bool) -> None:
        """Take the write lock. sqlite3.OperationalError: another process has it, and for long if this waits.

        SQLite itself would look again after 1, 2, 5 and 10 ms, while most commits take less than one.
        """
        deadline, pause = time.monotonic() + (BUSY_SECONDS if wait else 0), PAUSE
        while True:
            try:
                self.raw.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
            time.sleep(pause)
            pause = min(1.5 * pause, MOST_PAUSE)

    def roll_back(self) -> None:
        """Undo the transaction, if there is one."""
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Closing the last connection of all processes brings the log of the database into its file."""
        if "core" in self.__dict__:
            self.core.invalidate()
        self.raw.close()

    def _execute(self, statement: Statement, values: Values) -> sqlite3.Cursor:
        text, order = self._compiler(statement)
        return self.raw.execute(text, values if order is None else order(values))
