"""The directory as it is installed: its tables in the database of the default storage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hub_plugin_directory_sql import SqlDirectory, driver
from hub_plugin_storage_sql import SqlStorage

from hub.hooks.plugin import Plugin
from hub.mail.address import Address
from hub.mail.login import Identity, Password
from hub.mail.stash import Stash
from hub.services.clock import SystemClock
from hub.services.directory import Account, DirectoryAdmin
from hub.services.tables import Tables
from hub.testing.contracts.directory import DirectoryContract


class Log:
    def warning(self, event: str, /, **fields: object) -> None:
        logging.getLogger("hub").warning("%s %s", event, fields)


@dataclass
class Scope:
    name: str
    data_dir: Path
    storage: SqlStorage | None = None
    table: dict[str, object] = field(default_factory=dict)
    clock: SystemClock = field(default_factory=SystemClock)
    stash: Stash = field(default_factory=Stash)
    log: Log = field(default_factory=Log)

    def settings(self, model: type) -> object:
        return model(**self.table)

    async def tables(self, metadata: object) -> Tables:
        assert self.storage is not None
        folder = Path(driver.__file__).parent / "migrations"
        return await self.storage.tables(self.name, metadata, str(folder))


async def opened(stack: AsyncExitStack, folder: Path) -> SqlDirectory:
    """A directory with a connection of its own, as every process has one."""
    storage = SqlStorage(cast(Plugin, Scope("storage-sql", folder)))
    scope = Scope("directory-sql", folder, await stack.enter_async_context(storage))
    scope.table = {"hash_memory": 1024, "hash_passes": 1}
    return await stack.enter_async_context(SqlDirectory(cast(Plugin, scope)))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


class TestDirectoryOverStorage(DirectoryContract):
    @pytest.fixture
    async def directory(self, stack: AsyncExitStack, tmp_path: Path) -> DirectoryAdmin:
        return await opened(stack, tmp_path)


async def test_two_processes_share_one_directory(stack: AsyncExitStack, tmp_path: Path) -> None:
    one, other = await opened(stack, tmp_path), await opened(stack, tmp_path)
    await one.add_domain("example.test")
    names = [Address(f"user{number}", "example.test") for number in range(20)]

    async def add(directory: SqlDirectory, address: Address) -> Account | None:
        try:
            return await directory.add_account(address, "secret")
        except ValueError:
            return None

    added = await asyncio.gather(*(add(directory, name) for name in names for directory in (one, other)))
    assert sum(account is not None for account in added) == len(names)
    assert [account.address for account in await other.accounts()] == sorted(
        names, key=lambda name: name.local
    )
    assert isinstance(await other.authenticate(Password("user7@example.test", "secret"), "imap"), Identity)


async def test_a_directory_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        directory = await opened(stack, tmp_path)
        await directory.add_domain("example.test")
        account = await directory.add_account(Address("alice", "example.test"), "wonderland", quota=1000)
    async with AsyncExitStack() as stack:
        directory = await opened(stack, tmp_path)
        assert list(await directory.accounts()) == [account]
        assert isinstance(
            await directory.authenticate(Password("alice@example.test", "wonderland"), "imap"), Identity
        )
