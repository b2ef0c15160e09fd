"""Full disks, failing work, busy databases: who asked is told, nobody else notices, nothing is half done."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.sqlite import connection
from hub_plugin_storage_sql.sqlite.database import SqliteDatabase
from hub_plugin_storage_sql.transaction import Transaction

from hub import Acceptance, AccountRef, ChangeKind, Delivery, FlagMode, NewItem, StoreFull
from hub.testing.clock import ManualClock
from hub.testing.plugin import PluginScope
from hub.testing.scopes import make_scope

ALICE = AccountRef("default", "alice")


def message(number: int) -> Acceptance:
    delivery = Delivery(ALICE, "INBOX", b"X: " + b"x" * 8000 + b"\r\n")
    return Acceptance(f"m{number}", "store:1", 100, 1000, 0.0, None, (delivery,), ())


async def inbox(storage: SqlStorage) -> int:
    found = await storage.mailbox(ALICE, "INBOX")
    assert found is not None
    return found.id


async def is_consistent(storage: SqlStorage, accepted: list[int]) -> bool:
    """Whether exactly what was answered is there, in items, counts and log."""
    box = await inbox(storage)
    items = await storage.items(box, [(1, 10**6)])
    mailbox = await storage.mailbox(ALICE, "INBOX")
    entries = [entry for entry in await storage.log(0, 10**6) if entry.message_id is not None]
    assert mailbox is not None
    return (
        {item.message_id for item in items} == {f"m{number}" for number in accepted}
        and mailbox.messages == len(items) == mailbox.uidnext - 1
        and [entry.first_uid for entry in entries] == [item.uid for item in items]
    )


async def test_new_mail_is_refused_while_the_reserve_is_all_that_is_left(plugin_scope: PluginScope) -> None:
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        await storage.accept(message(1))
        box = await inbox(storage)
    async with SqlStorage(plugin_scope("storage-sql", {"reserve": 1 << 60})) as storage:
        results = await asyncio.gather(
            storage.accept(message(2)),
            storage.store_flags(box, [(1, 1)], FlagMode.ADD, frozenset({"\\Deleted"})),
            storage.append(ALICE, box, [NewItem("a", "store:1", 1, 2, 0)]),
            return_exceptions=True,
        )
        assert [isinstance(result, StoreFull) for result in results] == [True, False, True]
        assert await storage.expunge(box) == [1]
        assert (await storage.usage(ALICE)).messages == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB, for SQLite's log takes up to 16; making one takes root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.proves("store: a full disk is a temporary refusal and loses nothing")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
async def test_a_full_disk_fails_who_asked_and_loses_nothing(small_disk: Path) -> None:
    def opened() -> SqlStorage:
        return SqlStorage(make_scope("storage-sql", small_disk, ManualClock(), {"reserve": 0}))

    accepted: list[int] = []
    refused: list[BaseException] = []
    async with opened() as storage:
        await storage.ensure_account(ALICE)
        for batch in range(1000):
            numbers = range(batch * 20, batch * 20 + 20)
            results = await asyncio.gather(
                *[storage.accept(message(number)) for number in numbers], return_exceptions=True
            )
            accepted += [n for n, result in zip(numbers, results, strict=True) if isinstance(result, list)]
            refused = [result for result in results if isinstance(result, BaseException)]
            if refused:
                break
        assert {type(error) for error in refused} == {StoreFull}
        assert len(accepted) > 100
        assert await is_consistent(storage, accepted)
    async with opened() as storage:
        assert await is_consistent(storage, accepted)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
async def test_with_the_reserve_left_mail_can_still_be_expunged(small_disk: Path) -> None:
    scope = make_scope("storage-sql", small_disk, ManualClock(), {"reserve": 8 << 20})
    async with SqlStorage(scope) as storage:
        with pytest.raises(StoreFull):
            await accept_until_refused(storage)
        box = await inbox(storage)
        number = (await storage.usage(ALICE)).messages
        assert number > 400
        # Small changes: for one large one the reserve may be too little.
        for first in range(1, number + 1, 10):
            await storage.store_flags(box, [(first, first + 9)], FlagMode.ADD, frozenset({"\\Deleted"}))
            await storage.expunge(box)
        assert (await storage.usage(ALICE)).messages == 0


async def accept_until_refused(storage: SqlStorage) -> None:
    for number in range(100_000):
        await storage.accept(message(number))


def failing(error: BaseException) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        tx.log_account(1, ChangeKind.QUEUED, None, "half done")
        tx.flush()
        raise error

    return work


async def test_a_work_that_fails_in_whichever_way_fails_alone(storage: SqlStorage) -> None:
    database = storage._db
    errors = [ValueError("one"), StopIteration("two"), SystemExit("three"), sqlite3.IntegrityError("four")]
    works = [failing(error) for error in errors]
    results = await asyncio.gather(
        storage.accept(message(0)),
        *[database.write(work) for work in works],
        storage.accept(message(1)),
        return_exceptions=True,
    )
    failures = [result for result in results if isinstance(result, BaseException)]
    assert [type(error) for error in failures] == [
        ValueError,
        RuntimeError,
        RuntimeError,
        sqlite3.IntegrityError,
    ]
    assert await is_consistent(storage, [0, 1])
    assert "half done" not in {entry.name for entry in await storage.log(0)}


@pytest.mark.proves("store: a worker waits for another one's commit no longer than that takes")
async def test_a_database_that_is_locked_for_a_moment_is_waited_for_in_small_steps(
    storage: SqlStorage, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(index, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 20:
            other.execute("ROLLBACK")

    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    assert len(await storage.accept(message(0))) == 1
    assert pauses == sorted(pauses)
    assert len(pauses) == 20
    assert (pauses[0], pauses[-1]) == (connection.PAUSE, connection.MOST_PAUSE)
    other.close()


async def test_a_database_that_stays_locked_is_an_oserror_and_then_goes_on(
    storage: SqlStorage, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = storage._db
    assert isinstance(database, SqliteDatabase)
    monkeypatch.setitem(type(database._writes).begin.__globals__, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(index, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        *[storage.accept(message(number)) for number in range(3)], return_exceptions=True
    )
    assert [type(error) for error in results] == [OSError] * 3
    assert {error.errno for error in results if isinstance(error, OSError)} == {errno.EBUSY}
    other.execute("ROLLBACK")
    other.close()
    assert len(await storage.accept(message(0))) == 1
    assert await is_consistent(storage, [0])
