"""Looking at and changing the schema of the file, one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from sqlalchemy import Connection

from hub_plugin_storage_sql.revisions import recorded
from hub_plugin_storage_sql.sqlite.connection import SqliteConnection, sqlite_compiler
from hub_plugin_storage_sql.sqlite.database import prepare_writer

R = TypeVar("R")


class SqliteSchema:
    """The `Schema` of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self, work: Callable[[Connection], R]) -> R | None:
        """Read the file if it is there."""
        if not self._path.exists():
            return None
        connection = SqliteConnection(self._path, sqlite_compiler(), read_only=True)
        try:
            return work(connection.core)
        finally:
            connection.close()

    def change(
        self, work: Callable[[Connection], R], statements: list[str] | None = None, *, keep: bool = True
    ) -> R:
        """Change the file, or without `keep` try it on a new one if there is none."""
        if not keep and not self._path.exists():
            with TemporaryDirectory() as elsewhere:
                return SqliteSchema(Path(elsewhere) / "index.sqlite").change(work, statements)
        with schema_transaction(self._path, statements, keep=keep) as connection:
            return work(connection)


@contextmanager
def schema_transaction(
    path: Path, statements: list[str] | None = None, *, keep: bool = True
) -> Iterator[Connection]:
    """A write transaction of its own, under a lock that all processes wait for; all or nothing of it is kept.

    statements: gets the SQL that is run, reads left out. keep: False undoes everything at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(path.with_name(path.name + ".lock")):
        connection = SqliteConnection(path, sqlite_compiler(), read_only=False)
        try:
            path.chmod(0o600)
            prepare_writer(connection)
            # Migrations may rebuild tables that others refer to; references are checked once, at the end.
            connection.raw.execute("PRAGMA foreign_keys = OFF")
            connection.raw.execute("BEGIN IMMEDIATE")
            with connection.core.begin(), recorded(connection.core, statements):
                yield connection.core
            broken = connection.raw.execute("PRAGMA foreign_key_check").fetchone()
            if broken:
                raise RuntimeError(
                    f"a row of {broken[0]} would refer to no row of {broken[2]}; nothing was changed"
                )
            connection.raw.execute("COMMIT" if keep else "ROLLBACK")
        finally:
            connection.close()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
