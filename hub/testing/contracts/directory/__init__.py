"""The contracts of directories.

Who only answers, and is filled elsewhere, inherits the first and gives a directory that holds `WORLD`:

class TestLdapDirectory(DirectoryReadingContract):
    @pytest.fixture
    async def world(self, scope, slapd):
        slapd.load(ldif(WORLD))
        async with LdapDirectory(scope) as directory:
            yield directory

Who may be changed inherits the second, which includes the first, and gives an empty directory:

class TestSqlDirectory(DirectoryContract):
    @pytest.fixture
    async def directory(self, scope):
        async with SqlDirectory(scope) as directory:
            yield directory
"""

from hub.testing.contracts.directory.admin import DirectoryContract
from hub.testing.contracts.directory.reading import DirectoryReadingContract
from hub.testing.contracts.directory.world import ELSEWHERE, PASSWORD, WORLD, Person, World, at

__all__ = [
    "ELSEWHERE",
    "PASSWORD",
    "WORLD",
    "DirectoryContract",
    "DirectoryReadingContract",
    "Person",
    "World",
    "at",
]
