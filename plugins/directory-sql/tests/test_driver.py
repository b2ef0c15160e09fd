"""The tables, and what is remembered of them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hub_plugin_directory_sql import SqlDirectory, changes, driver
from hub_plugin_directory_sql.tables import ACCOUNT, METADATA, TARGET
from sqlalchemy import Engine, insert, select

from hub import Account, Address, Alias, Plugin

ALICE = Address("alice", "example.test")


@pytest.fixture
async def alice(directory: SqlDirectory) -> Account:
    await directory.add_domain("example.test")
    return await directory.add_account(ALICE, "wonderland")


def test_the_migration_makes_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


async def test_an_answer_is_remembered_for_two_seconds(
    directory: SqlDirectory, scope: Any, tables: Any, alice: Account
) -> None:
    async with SqlDirectory(cast(Plugin, scope)) as other:
        assert await directory.resolve(ALICE) is not None
        assert await directory.is_local("example.test")
        asked = tables.asked
        await other.remove_account(ALICE)
        for _ in range(5):
            assert await directory.resolve(Address("ALICE", "example.test")) is not None
            assert await directory.is_local("EXAMPLE.test")
        assert tables.asked == asked
        scope.clock.now += 2
        assert await directory.resolve(ALICE) is None
        assert tables.asked > asked


async def test_that_there_is_nobody_is_never_remembered(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    bob = Address("bob", "example.test")
    assert await directory.resolve(bob) is None
    assert not await directory.is_local("another.test")
    async with SqlDirectory(cast(Plugin, scope)) as other:
        await other.add_account(bob, "builder")
        await other.add_domain("another.test")
    assert await directory.resolve(bob) is not None
    assert await directory.is_local("another.test")


async def test_a_change_of_our_own_is_seen_at_once(directory: SqlDirectory, alice: Account) -> None:
    assert await directory.resolve(ALICE) is not None
    await directory.change_account(ALICE, enabled=False)
    assert await directory.resolve(ALICE) is None


async def test_an_answer_from_before_a_change_is_not_kept(
    directory: SqlDirectory, tables: Any, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tables.point

    async def slow(work):  # type: ignore[no-untyped-def]
        answer = await real(work)
        monkeypatch.setattr(tables, "point", real)
        await directory.remove_account(ALICE)  # while the answer is on its way
        return answer

    monkeypatch.setattr(tables, "point", slow)
    assert await directory.resolve(ALICE) is not None
    assert await directory.resolve(ALICE) is None


async def test_the_memory_is_bounded(scope: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_CACHE_SIZE", 3)
    async with SqlDirectory(cast(Plugin, scope)) as directory:
        await directory.add_domain("example.test")
        await directory.add_alias(Alias(Address("*", "example.test"), (Address("a", "elsewhere.test"),)))
        for number in range(20):
            assert await directory.resolve(Address(f"a{number}", "example.test")) is not None
        assert len(directory._cache._values) == 3


async def test_an_accounts_own_address_costs_one_question(
    directory: SqlDirectory, tables: Any, alice: Account
) -> None:
    asked = tables.asked
    await directory.resolve(ALICE)
    assert tables.asked == asked + 1


async def test_a_wide_net_of_aliases_is_walked_once(directory: SqlDirectory, alice: Account) -> None:
    """Every alias leads to all others: 12 ** 10 paths, 13 addresses."""
    names = [Address(f"a{number}", "example.test") for number in range(12)]
    for name in names:
        await directory.add_alias(Alias(name, (*names, ALICE)))
    resolution = await directory.resolve(names[0])
    assert resolution is not None
    assert resolution.accounts == (alice,)


async def test_a_removed_alias_leaves_no_targets(
    directory: SqlDirectory, engine: Engine, alice: Account
) -> None:
    for target in ("one", "two"):
        await directory.add_alias(
            Alias(Address("sales", "example.test"), (Address(target, "elsewhere.test"),))
        )
    await directory.remove_alias(Address("sales", "example.test"))
    with engine.connect() as connection:
        assert connection.execute(select(TARGET)).all() == []


async def test_no_password_stands_in_the_database(
    directory: SqlDirectory, engine: Engine, alice: Account
) -> None:
    with engine.connect() as connection:
        (row,) = connection.execute(select(ACCOUNT)).all()
    assert not any("wonderland" in str(value) for value in row)


async def test_a_change_that_fails_changes_nothing(
    directory: SqlDirectory, engine: Engine, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = Alias(Address("sales", "example.test"), (ALICE,))
    await directory.add_alias(sales)

    def failing(table: object) -> object:
        if table is TARGET:
            raise ValueError("the last step fails")
        return insert(table)  # type: ignore[arg-type]

    monkeypatch.setattr(changes, "insert", failing)
    with pytest.raises(ValueError, match="last step"):
        await directory.add_alias(Alias(sales.address, (Address("other", "elsewhere.test"),)))
    assert list(await directory.aliases()) == [sales]


async def test_a_misspelt_account_brings_the_nearest_to_mind(directory: SqlDirectory, alice: Account) -> None:
    with pytest.raises(LookupError, match=r"Did you mean alice@example\.test"):
        await directory.remove_account(Address("alcie", "example.test"))
