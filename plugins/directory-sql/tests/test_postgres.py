"""The directory in a PostgreSQL that a storage has open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import hub_plugin_directory_sql
import pytest
from hub_plugin_directory_sql import SqlDirectory
from hub_plugin_directory_sql.tables import METADATA

from hub import DirectoryAdmin, Plugin
from hub.testing.contracts.directory import DirectoryContract
from hub.testing.contracts.storage_peer import open_driver

from .conftest import Scope

MIGRATIONS = Path(hub_plugin_directory_sql.__file__).parent / "migrations"


class TestOnPostgres(DirectoryContract):
    @pytest.fixture
    async def directory(self, postgres_url: str, tmp_path: Path) -> AsyncIterator[DirectoryAdmin]:
        settings = {"url": postgres_url}
        async with open_driver("hub_plugin_storage_sql:SqlStorage", tmp_path, settings) as storage:
            tables = await storage.tables("directory-sql", METADATA, str(MIGRATIONS))
            async with SqlDirectory(cast(Plugin, Scope(tables))) as directory:
                yield directory
