"""What is PostgreSQL's own: order of positions, locks, lost connections, outcomes that nobody has told."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from traceback import walk_tb
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hub_plugin_storage_sql import SqlStorage, reading, summaries
from hub_plugin_storage_sql.indexes import METADATA
from hub_plugin_storage_sql.migrating import SqlMigrations
from hub_plugin_storage_sql.postgresql.connection import PostgresConnection, connect, postgres_compiler
from hub_plugin_storage_sql.postgresql.positions import NOTE
from hub_plugin_storage_sql.postgresql.schema_lock import PostgresSchema
from hub_plugin_storage_sql.revisions import BRANCH
from hub_plugin_storage_sql.schema import REVISION
from sqlalchemy import Connection, inspect, text

from hub import Acceptance, AccountRef, Delivery, FlagMode, LogEntry, MessageColumn, Secret
from hub.testing.plugin import PluginScope

ALICE, BOB = AccountRef("default", "alice"), AccountRef("default", "bob")

Open = Callable[[], AbstractAsyncContextManager[SqlStorage]]


def message(number: int, *accounts: AccountRef) -> Acceptance:
    deliveries = tuple(Delivery(account, "INBOX", b"") for account in accounts or (ALICE,))
    return Acceptance(f"m{number}", f"store:{number}", 100, 1000, 0.0, None, deliveries, ())


@pytest.fixture
def open_storage(plugin_scope: PluginScope, postgres_url: str) -> Open:
    @asynccontextmanager
    async def opened() -> AsyncIterator[SqlStorage]:
        async with SqlStorage(plugin_scope("storage-sql", {"url": postgres_url})) as storage:
            yield storage

    return opened


@pytest.fixture
async def storage(open_storage: Open) -> AsyncIterator[SqlStorage]:
    async with open_storage() as storage:
        yield storage


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Any]:
    """A connection of somebody else's."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def messages(storage: SqlStorage, account: AccountRef = ALICE) -> list[str]:
    """Ids of what lies in INBOX, by UID; its counts are right."""
    mailbox = await storage.mailbox(account, "INBOX")
    assert mailbox is not None
    found = [item.message_id for item in await storage.items(mailbox.id, [(1, 1000)])]
    assert mailbox.messages == len(found)
    return found


async def inbox(storage: SqlStorage) -> int:
    found = await storage.mailbox(ALICE, "INBOX")
    assert found is not None
    return found.id


# -- positions


async def test_the_log_is_read_only_up_to_the_oldest_open_transaction(
    storage: SqlStorage, other: Any
) -> None:
    await storage.accept(message(1))
    before = await storage.log_position()
    seen: list[LogEntry] = []
    end = storage.watch(seen.extend)
    held = other.transaction()
    await held.start()
    await other.execute(NOTE)
    row = "INSERT INTO log (modseq, kind, first_uid, last_uid) VALUES (0, 'queued', 0, 0) RETURNING position"
    older = await other.fetchval(row)
    await storage.accept(message(2))
    assert await storage.log_position() == before
    assert await storage.log(before) == []
    await held.commit()
    assert [entry.position for entry in await storage.log(before)] == [older, older + 1]
    async with asyncio.timeout(20):
        while len([entry for entry in seen if entry.position > before]) < 2:
            await asyncio.sleep(0.01)
    assert [entry.position for entry in seen if entry.position > before] == [older, older + 1]
    end()


async def test_an_older_transaction_that_is_undone_holds_nothing_back(
    storage: SqlStorage, other: Any
) -> None:
    await storage.ensure_account(ALICE)
    before = await storage.log_position()
    seen: list[str | None] = []
    end = storage.watch(lambda entries: seen.extend(entry.message_id for entry in entries))
    held = other.transaction()
    await held.start()
    await other.execute(NOTE)
    await storage.accept(message(1))
    assert await storage.log_position() == before
    await held.rollback()  # nobody is told of that
    async with asyncio.timeout(4):
        while "m1" not in seen:
            await asyncio.sleep(0.01)
    end()


# -- locks


async def test_a_change_waits_for_the_account_and_sees_what_the_other_did(
    storage: SqlStorage, other: Any
) -> None:
    await storage.accept(message(1))
    box = await inbox(storage)
    held = other.transaction()
    await held.start()
    await other.execute("SELECT FROM account WHERE key = 'alice' FOR NO KEY UPDATE")
    await other.execute("UPDATE collection SET uidnext = 100 WHERE id = $1", box)
    await other.execute("UPDATE account SET modseq = 500 WHERE key = 'alice'")
    accepted = asyncio.create_task(storage.accept(message(2)))
    flagged = asyncio.create_task(storage.store_flags(box, [(1, 1)], FlagMode.ADD, frozenset({"\\Flagged"})))
    await until_waiting(other)
    assert not accepted.done()
    assert not flagged.done()
    await held.commit()
    assert [placed.uid for placed in await accepted] == [100]
    assert min(state.modseq for state in await flagged) > 500


async def until_waiting(connection: Any) -> None:
    """Somebody waits for a lock."""
    async with asyncio.timeout(20):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


async def test_groups_that_want_the_same_accounts_never_wait_for_each_other(open_storage: Open) -> None:
    accounts = [AccountRef("default", f"user{number}") for number in range(12)]
    async with open_storage() as one, open_storage() as another:
        for account in accounts:
            await one.ensure_account(account)
        boxes = {}
        for account in accounts:
            found = await one.mailbox(account, "INBOX")
            assert found is not None
            boxes[account] = found.id

        async def work(storage: SqlStorage, start: int, order: list[AccountRef]) -> None:
            for number, account in enumerate(order, start):
                await asyncio.gather(
                    storage.accept(message(number, account, order[0])),
                    # Its account is found out only inside of the transaction.
                    storage.store_flags(boxes[account], [(1, 5)], FlagMode.ADD, frozenset({f"k{number}"})),
                )

        async with asyncio.timeout(60):
            await asyncio.gather(
                *[work(one, 1000 * n, accounts[n:] + accounts[:n]) for n in range(6)],
                *[work(another, 1000 * n, (accounts[n:] + accounts[:n])[::-1]) for n in range(6, 12)],
            )
        assert sum([len(await messages(one, account)) for account in accounts]) == 12 * 12 * 2


# -- connections that go


async def test_a_change_after_the_server_was_started_anew_finds_it_again(
    storage: SqlStorage, other: Any
) -> None:
    await storage.accept(message(1))
    await storage.kv("one").set("key", b"1")
    for _ in range(2):
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mail-hub'"
        )
        assert await messages(storage) == ["m1"]
        await storage.kv("one").set("key", b"2")
        assert len(await storage.accept(message(1))) == 1  # known by its id
    await storage.accept(message(2))
    assert await messages(storage) == ["m1", "m2"]


async def test_what_is_under_way_fails_when_the_server_goes_and_the_next_does_not(
    storage: SqlStorage, other: Any
) -> None:
    await storage.accept(message(1))
    held = other.transaction()
    await held.start()
    await other.execute("SELECT FROM account WHERE key = 'alice' FOR UPDATE")
    under_way = [asyncio.create_task(storage.accept(message(number))) for number in (2, 3)]
    await until_waiting(other)
    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    )
    results = await asyncio.gather(*under_way, return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results), results
    await held.rollback()
    await storage.accept(message(4))
    assert await messages(storage) == ["m1", "m4"]


@pytest.mark.parametrize("was_committed", [True, False])
@pytest.mark.proves("store: a COMMIT whose answer was lost is asked for again before anyone is answered")
async def test_a_commit_whose_answer_was_lost_is_looked_up(
    storage: SqlStorage, monkeypatch: pytest.MonkeyPatch, was_committed: bool
) -> None:
    await storage.accept(message(1))
    # By name, for a hub in another test may have imported the plugin anew.
    used = import_module("hub_plugin_storage_sql.postgresql.connection").PostgresConnection
    script = used.script
    lost: list[str] = []

    def losing(self: PostgresConnection, statements: str) -> None:
        if "COMMIT" not in statements or lost:
            script(self, statements)
            return
        lost.append(statements)
        if was_committed:
            script(self, statements)
        self._raw.terminate()
        raise ConnectionResetError("the answer is lost")

    monkeypatch.setattr(used, "script", losing)
    placed = await asyncio.gather(*[storage.accept(message(number)) for number in (2, 3)])
    assert lost
    assert [each.uid for (each,) in placed] == [2, 3]
    assert await messages(storage) == ["m1", "m2", "m3"]  # of what was not committed a second attempt was


async def test_a_work_that_swallows_an_error_of_the_database_is_not_taken_for_committed(
    storage: SqlStorage,
) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE kv SET expires = 1"))
        try:
            connection.execute(text("SELECT 1 / 0"))
        except Exception:
            return

    await storage.kv("one").set("key", b"1")
    database = storage._db
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await database.write_apart(lambda tx: work(tx.connection.core))
    assert await storage.kv("one").get("key") == b"1"


async def test_status_tells_of_a_server_that_is_gone_and_mail_goes_on_when_it_is_back(
    storage: SqlStorage, postgres: Any
) -> None:
    await storage.accept(message(1))
    assert storage.status()["trouble"] == "none"
    await asyncio.to_thread(postgres.stop, signal.SIGKILL)
    try:
        with pytest.raises(OSError, match="no connection to the database"):
            await storage.accept(message(2))
        with pytest.raises(OSError, match="no connection to the database"):
            await storage.mailboxes(ALICE)
        async with asyncio.timeout(20):
            while storage.status()["trouble"] == "none":
                await asyncio.sleep(0.01)
    finally:
        await asyncio.to_thread(postgres.start)
    await storage.accept(message(3))
    assert await messages(storage) == ["m1", "m3"]
    async with asyncio.timeout(20):
        while storage.status()["trouble"] != "none":
            await asyncio.sleep(0.01)


# -- the schema


def test_the_migrations_make_the_tables_that_the_code_uses(postgres_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, METADATA)
        return [
            each
            for each in found
            if not (each[0] == "remove_table" and each[1].name.startswith("alembic_version_"))
        ]

    schema = PostgresSchema(Secret(postgres_url))
    SqlMigrations(schema, {}).upgrade()
    assert schema.look(differences) == []


async def test_the_schema_is_made_tried_and_taken_back(plugin_scope: PluginScope, postgres_url: str) -> None:
    migrations = SqlStorage.migrations(plugin_scope("storage-sql", {"url": postgres_url}), {})
    schema = PostgresSchema(Secret(postgres_url))

    def tables() -> set[str]:
        return set(schema.look(lambda connection: inspect(connection).get_table_names()) or ())

    would = migrations.upgrade(dry_run=True)
    assert any("CREATE TABLE item" in statement for statement in would)
    assert tables() == set()
    assert migrations.upgrade() == would
    assert METADATA.tables.keys() <= tables()
    assert [(each.branch, each.current, each.head) for each in migrations.status()] == [
        (BRANCH, REVISION, REVISION)
    ]
    migrations.downgrade(BRANCH, "base")
    assert tables() == {"alembic_version_storage_sql"}


# -- plans


async def test_a_mailbox_is_read_without_the_messages_of_others(
    storage: SqlStorage, other: Any, postgres_url: str
) -> None:
    await other.execute(
        "INSERT INTO item SELECT box << 32 | uid, '', 1, 2 FROM generate_series(1::bigint, 20) box,"
        " generate_series(1, 2000) uid"
    )
    await other.execute(
        "INSERT INTO message SELECT id, 1, 1, 1, repeat('m', 26), repeat('s', 40),"
        " convert_to(repeat('l', 200), 'utf8'), 1 FROM item"
    )
    await other.execute("ANALYZE")
    connection = await connect(Secret(postgres_url), read_only=True)
    wanted = summaries._statement((MessageColumn.SIZE, MessageColumn.LINES, MessageColumn.ENVELOPE))
    first, last = 7 << 32, 8 << 32
    for statement, values in ((reading._ITEMS, (first, last)), (wanted, (first, first, last))):
        text, order = postgres_compiler()(statement)
        rows = await connection.fetch(f"EXPLAIN {text}", *(order(values) if order else values))
        assert not [line for (line,) in rows if "Seq Scan on message" in line]
    await connection.close()


# -- settings


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": "mysql://db/mail"}, "begins with postgresql://"),
        ({"url": "postgresql://db/mail", "path": "index.sqlite"}, "say one of them"),
    ],
)
async def test_settings_name_one_database(
    plugin_scope: PluginScope, settings: dict[str, object], reason: str
) -> None:
    with pytest.raises(Exception, match=reason):
        SqlStorage(plugin_scope("storage-sql", settings))


async def test_neither_message_nor_traceback_shows_the_password(plugin_scope: PluginScope) -> None:
    password = secrets.token_hex(8)
    url = f"postgresql://hub:{password}@127.0.0.1:1/mail?password={password}"
    storage = SqlStorage(plugin_scope("storage-sql", {"url": url}))
    with pytest.raises(ConnectionError, match=r"postgresql://hub@127\.0\.0\.1:1/mail: ") as caught:
        await storage.__aenter__()
    assert password not in str(caught.value)
    assert caught.value.__suppress_context__
    frames = [frame for frame, _ in walk_tb(caught.tb) if frame.f_code.co_filename != __file__]
    assert len(frames) > 3
    assert not [frame for frame in frames if password in repr(frame.f_locals)]


async def test_without_its_driver_the_url_says_what_to_install(
    plugin_scope: PluginScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    scope = plugin_scope("storage-sql", {"url": "postgresql://db/mail"})
    with pytest.raises(RuntimeError, match=r"asyncpg is missing; .* 'hub-plugin-storage-sql\[postgresql\]'"):
        SqlStorage(scope)


async def test_a_name_that_postgresql_cannot_hold_is_nobodys(storage: SqlStorage) -> None:
    await storage.ensure_account(ALICE)
    assert await storage.mailbox(ALICE, "a\0b") is None
    assert await storage.mailboxes(AccountRef("default", "a\0b")) == []
