"""A directory over SQLite tables that the migration made, and a clock that the test turns."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import hub_plugin_directory_sql
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hub_plugin_directory_sql import SqlDirectory
from pydantic import BaseModel
from sqlalchemy import Connection, Engine, Select, StaticPool, create_engine, event

from hub import Plugin, Stash, Tables

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")


@dataclass
class Clock:
    """Stands still unless it is turned."""

    now: float = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@dataclass
class Kv:
    """Counters whose windows never end."""

    counters: dict[str, int] = field(default_factory=dict)

    def count(self, key: str, amount: int = 1, *, window: float) -> int:
        self.counters[key] = self.counters.get(key, 0) + amount
        return self.counters[key]


@dataclass
class Log:
    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def warning(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))


@dataclass
class EngineTables:
    """`Tables` over a plain engine, which counts what it is asked."""

    engine: Engine
    asked: int = 0
    writable: bool = True

    async def rows(self, query: Select[Any], **values: object) -> Sequence[tuple[Any, ...]]:
        return await self.point(lambda connection: [tuple(row) for row in connection.execute(query, values)])

    async def point(self, work: Callable[[Connection], T]) -> T:
        self.asked += 1
        with self.engine.connect() as connection:
            return work(connection)

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self.point(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        if not self.writable:
            raise OSError("the disk is full")
        with self.engine.begin() as connection:
            return work(connection)


@dataclass
class Scope:
    tables_: Tables
    clock: Clock = field(default_factory=Clock)
    log: Log = field(default_factory=Log)
    kv: Kv = field(default_factory=Kv)
    stash: Stash = field(default_factory=Stash)
    table: dict[str, object] = field(default_factory=lambda: {"hash_memory": 1024, "hash_passes": 1})

    def settings(self, model: type[S]) -> S:
        return model.model_validate(self.table)

    async def tables(self, metadata: object) -> Tables:
        return self.tables_


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _enforce(connection: object, record: object) -> None:
        connection.execute("pragma foreign_keys = on")  # type: ignore[attr-defined]

    folder = Path(hub_plugin_directory_sql.__file__).parent / "migrations"
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        for path in sorted(folder.glob("[0-9]*.py")):
            spec = importlib.util.spec_from_file_location("migration", path)
            assert spec is not None
            assert spec.loader is not None
            migration = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(migration)
            migration.upgrade()
    yield engine
    engine.dispose()


@pytest.fixture
def tables(engine: Engine) -> EngineTables:
    return EngineTables(engine)


@pytest.fixture
def scope(tables: EngineTables) -> Scope:
    return Scope(tables)


@pytest.fixture
async def directory(scope: Scope) -> AsyncIterator[SqlDirectory]:
    async with SqlDirectory(cast(Plugin, scope)) as directory:
        yield directory
