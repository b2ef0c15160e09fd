"""A store in a folder of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from hub_plugin_storage_sql import SqlStorage

from hub.testing.plugin import PluginScope


@pytest.fixture
async def storage(plugin_scope: PluginScope) -> AsyncIterator[SqlStorage]:
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        yield storage


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Where the store of a `plugin_scope` has its file."""
    return tmp_path / "plugins" / "storage-sql" / "index.sqlite"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Mapping[str, object]:
    """The settings for each kind of database in turn."""
    return {"url": request.getfixturevalue("postgres_url")} if request.param == "postgresql" else {}
