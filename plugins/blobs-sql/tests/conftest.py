"""A scope that gives the driver its folder, settings and time, and tables in a real database."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, TypeVar, cast

import hub_plugin_blobs_sql
import pytest
from hub_plugin_blobs_sql import SqlBlobs
from pydantic import BaseModel

from hub import Plugin, Storage, Tables
from hub.testing.clock import ManualClock
from hub.testing.contracts.storage_peer import open_driver

S = TypeVar("S", bound=BaseModel)

MIGRATIONS = str(Path(hub_plugin_blobs_sql.__file__).parent / "migrations")


class _Log:
    def info(self, event: str, /, **fields: object) -> None:
        logging.getLogger("blobs-sql").info("%s %s", event, fields)

    warning = info


@dataclass
class Scope:
    """As much of a plugin's scope as the driver uses."""

    data_dir: Path
    storage: Storage
    clock: ManualClock
    table: dict[str, object] = field(default_factory=dict)
    log: _Log = field(default_factory=_Log)

    def settings(self, model: type[S]) -> S:
        return model.model_validate(self.table)

    async def tables(self, metadata: object) -> Tables:
        return await self.storage.tables("blobs-sql", metadata, MIGRATIONS)


Open: TypeAlias = Callable[..., AbstractAsyncContextManager[SqlBlobs]]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, object]:
    """The settings of the storage, whose database is empty."""
    return {"url": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}


@pytest.fixture
async def storage(
    tmp_path: Path, database: Mapping[str, object], manual_clock: ManualClock
) -> AsyncIterator[Storage]:
    driver = "hub_plugin_storage_sql:SqlStorage"
    async with open_driver(driver, tmp_path / "index", database, manual_clock) as storage:
        yield storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "blobs"
    path.mkdir()
    return path


@pytest.fixture
def open_store(storage: Storage, folder: Path, manual_clock: ManualClock) -> Open:
    """Opens the store once more, as another process of it would; keyword arguments are its settings."""

    @asynccontextmanager
    async def opened(**table: object) -> AsyncIterator[SqlBlobs]:
        async with SqlBlobs(cast(Plugin, Scope(folder, storage, manual_clock, table))) as blobs:
            yield blobs

    return opened


@pytest.fixture
async def blobs(open_store: Open) -> AsyncIterator[SqlBlobs]:
    async with open_store() as blobs:
        yield blobs
