"""The directory in a PostgreSQL that a storage has open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import hub_plugin_directory_sql
import pyotp
import pytest
from hub_plugin_directory_sql import SqlDirectory
from hub_plugin_directory_sql.tables import METADATA

from hub import Address, DirectoryAdmin, Identity, Password, Plugin
from hub.testing.contracts.directory import DirectoryContract
from hub.testing.contracts.storage_peer import open_driver

from .conftest import Clock, Scope

MIGRATIONS = Path(hub_plugin_directory_sql.__file__).parent / "migrations"


@pytest.fixture
async def directory(postgres_url: str, tmp_path: Path) -> AsyncIterator[SqlDirectory]:
    settings = {"url": postgres_url}
    async with open_driver("hub_plugin_storage_sql:SqlStorage", tmp_path, settings) as storage:
        tables = await storage.tables("directory-sql", METADATA, str(MIGRATIONS))
        async with SqlDirectory(cast(Plugin, Scope(tables))) as directory:
            yield directory


class TestOnPostgres(DirectoryContract):
    @pytest.fixture
    async def directory(self, directory: SqlDirectory) -> DirectoryAdmin:
        return directory


async def test_app_passwords_and_codes_on_postgres(directory: SqlDirectory) -> None:
    alice, secret = Address("alice", "example.test"), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

    async def logs_in(password: str) -> bool:
        return isinstance(await directory.authenticate(Password(str(alice), password), "imap"), Identity)

    await directory.add_domain("example.test")
    await directory.add_account(alice, "wonderland")
    phone = await directory.add_app_password(alice, "Phone", ["imap"])
    await directory.enable_totp(alice, secret, pyotp.TOTP(secret).at(int(Clock.now)))
    coded = f"wonderland{pyotp.TOTP(secret).at(int(Clock.now) + 30)}"
    # Whichever comes first: a code is used once.
    assert sorted(await asyncio.gather(*(logs_in(coded) for _ in range(4)))) == [False, False, False, True]
    assert not await logs_in("wonderland")
    assert await logs_in(phone)
    (seen,) = await directory.app_passwords(alice)
    assert seen.used == Clock.now
    await directory.remove_account(alice)
    assert not await logs_in(phone)
