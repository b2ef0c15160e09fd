"""The store does what every storage driver does."""

import pytest

from hub.testing.contracts.storage import StorageContract


class TestSqlite(StorageContract):
    @pytest.fixture
    def driver(self) -> str:
        return "hub_plugin_storage_sql:SqlStorage"
