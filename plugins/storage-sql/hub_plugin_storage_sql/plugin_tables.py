"""Plugins' own tables, in the same database and the same group commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Select
from sqlalchemy.engine import Dialect

from hub_plugin_storage_sql.database import Database, Reads, Row, Statement
from hub_plugin_storage_sql.transaction import Transaction

T = TypeVar("T")


class PluginTables:
    """The `hub.Tables` of one plugin. Work for `write` may run more than once before it is committed once."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._queries: dict[Select[Any], _Query] = {}

    async def rows(self, query: Select[Any], **values: object) -> Sequence[Row]:
        """The few rows of a query by key, on the event loop."""
        known = self._queries.get(query)
        if known is None:
            known = self._queries[query] = _Query(query, tuple(values))
        return await self._db.point(lambda db: known.rows(db, values))

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


class _Query:
    """One query of a plugin. names: of its parameters."""

    def __init__(self, query: Select[Any], names: Sequence[str]) -> None:
        self._types = [column.type for column in query.selected_columns]
        self._statement = Statement(query, " ".join(names))
        self._converters: list[tuple[int, Callable[[Any], Any]]] | None = None

    def rows(self, db: Reads, values: Mapping[str, object]) -> Sequence[Row]:
        """All of them, each value as its column's type has it."""
        found = db.rows(self._statement, *[values[name] for name in self._statement.names])
        if self._converters is None:
            self._converters = list(self._needed(db.core.dialect))
        for place, convert in self._converters:
            found = [(*row[:place], convert(row[place]), *row[place + 1 :]) for row in found]
        return found

    def _needed(self, dialect: Dialect) -> Iterator[tuple[int, Callable[[Any], Any]]]:
        """Where the driver of the database gives something else, and what makes of it what it should be."""
        for place, kind in enumerate(self._types):
            convert = kind.dialect_impl(dialect).result_processor(dialect, None)
            if convert is not None:
                yield place, convert


def _run(connection: Reads, work: Callable[[Connection], T]) -> T:
    core = connection.core
    try:
        return work(core)
    finally:
        core.rollback()  # ends what SQLAlchemy thinks is a transaction; the real one goes on
