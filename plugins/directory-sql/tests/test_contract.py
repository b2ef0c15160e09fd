import pytest
from hub_plugin_directory_sql import SqlDirectory

from hub import DirectoryAdmin
from hub.testing.contracts.directory import DirectoryContract


class TestSqlDirectory(DirectoryContract):
    @pytest.fixture
    async def directory(self, directory: SqlDirectory) -> DirectoryAdmin:
        return directory
