"""The store does what every storage driver does."""

from collections.abc import Mapping

import pytest

from hub.testing.contracts.storage import StorageContract


class TestSqlite(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_storage_sql:SqlStorage"


class TestPostgres(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_storage_sql:SqlStorage"

    @pytest.fixture
    def settings(self, postgres_url: str) -> Mapping[str, object]:
        return {"url": postgres_url}
