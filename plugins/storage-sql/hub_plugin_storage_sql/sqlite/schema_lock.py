"""Looking at and changing the schema of the file, one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, event

from hub_plugin_storage_sql.sqlite.connection import Compiler, SqliteConnection
from hub_plugin_storage_sql.sqlite.database import prepare_writer


@contextmanager
def schema_transaction(
    path: Path, statements: list[str] | None = None, *, keep: bool = True
) -> Iterator[Connection]:
    """A write transaction of its own, under a lock that all processes wait for; all or nothing of it is kept.

    statements: gets the SQL that is run, reads left out. keep: False undoes everything at the end.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(path.with_name(path.name + ".lock")):
        connection = SqliteConnection(path, Compiler(), read_only=False)
        try:
            path.chmod(0o600)
            prepare_writer(connection)
            # Migrations may rebuild tables that others refer to; references are checked once, at the end.
            connection.raw.execute("PRAGMA foreign_keys = OFF")
            connection.raw.execute("BEGIN IMMEDIATE")
            with connection.core.begin():
                if statements is not None:
                    event.listen(connection.core, "before_cursor_execute", _recorder(statements))
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


def _recorder(statements: list[str]):  # type: ignore[no-untyped-def]
    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            statements.append(statement.strip())

    return record
