"""Plugins' own tables, in the same database and the same group commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from hub_plugin_storage_sql.database import Database, Reads
from hub_plugin_storage_sql.transaction import Transaction

T = TypeVar("T")


class PluginTables:
    """The `hub.Tables` of one plugin. Work for `write` may run more than once before it is committed once."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def point(self, work: Callable[[Connection], T]) -> T:
        """A read by key, on the event loop."""
        return await self._db.point(lambda db: _run(db, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """A read of any length, in a reader thread."""
        return await self._db.read(lambda db: _run(db, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction in the group commit, durable when this returns."""

        def in_group(tx: Transaction) -> T:
            return _run(tx.connection, work)

        return await self._db.write_apart(in_group)


def _run(connection: Reads, work: Callable[[Connection], T]) -> T:
    core = connection.core
    try:
        return work(core)
    finally:
        core.rollback()  # ends what SQLAlchemy thinks is a transaction; the real one goes on
