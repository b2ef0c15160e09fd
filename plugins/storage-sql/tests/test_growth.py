"""What an operation costs does not grow with what lies in the store beside what it touches.

Counted in instructions of SQLite's virtual machine, which are the same on every machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.sqlite.connection import SqliteConnection
from hub_plugin_storage_sql.sqlite.database import SqliteDatabase

from hub import (
    Acceptance,
    AccountRef,
    Address,
    Delivery,
    Fate,
    FlagMode,
    NewItem,
    QueueAction,
    QueueOutcome,
    Selection,
)
from hub.testing.clock import ManualClock
from hub.testing.scopes import make_scope

ALICE = AccountRef("default", "alice")
SMALL = 400


def message(number: int, account: AccountRef = ALICE) -> Acceptance:
    delivery = Delivery(account, "INBOX", b"Return-Path: <>\r\n")
    return Acceptance(f"m{number}", "store:1", 100, 1000, 0.0, None, (delivery,), ())


def queued(number: int, domain: str) -> Acceptance:
    to = Address("ann", domain)
    return Acceptance(f"q{number}", "store:1", 100, 1000, 0.0, None, (), (to,), ALICE)


async def fill_queue(storage: SqlStorage, size: int) -> None:
    """So many rows of each kind: tried and due later, held, under way for somebody else, and due."""
    for kind in range(4):
        rows = [queued(kind * size + n, f"d{n % 10}.test") for n in range(size)]
        await asyncio.gather(*map(storage.accept, rows))
        if kind == 0:
            claim = await storage.claim(1e12, size)
            later = [QueueOutcome(row.position, Fate.DEFERRED, "450 no", 1e12) for row in claim.rows]
            await storage.conclude(claim.lease, later)
        elif kind == 1:
            await storage.change_queue(QueueAction.HOLD, Selection())
            await storage.change_queue(QueueAction.RELEASE, Selection(domain="d1.test"))
        elif kind == 2:
            await storage.claim(1e12, 2 * size)


async def fill(storage: SqlStorage, size: int) -> tuple[int, int]:
    """A mailbox of so many messages with as many changes, beside as many accounts; its id, and a modseq."""
    await asyncio.gather(*[storage.accept(message(n)) for n in range(size)])
    await asyncio.gather(
        *[storage.accept(message(size + n, AccountRef("default", f"other-{n}"))) for n in range(size // 4)]
    )
    inbox = await storage.mailbox(ALICE, "INBOX")
    assert inbox is not None
    for uid in range(1, size, 2):
        await storage.store_flags(inbox.id, [(uid, uid)], FlagMode.ADD, frozenset({"\\Seen"}))
    found = await storage.mailbox(ALICE, "INBOX")
    assert found is not None
    return inbox.id, found.highest_modseq


class Steps:
    """Counts the instructions that SQLite runs on all connections of a store."""

    def __init__(self, storage: SqlStorage) -> None:
        database = storage._db
        assert isinstance(database, SqliteDatabase)
        self._database = database
        self.count = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        connections: list[SqliteConnection] = [
            self._database._writes,
            self._database._points,
            *self._database._idle,
        ]
        self.count = 0
        for connection in connections:
            connection.raw.set_progress_handler(self._step, 1)
        yield
        for connection in connections:
            connection.raw.set_progress_handler(None, 1)

    def _step(self) -> int:
        self.count += 1
        return 0


async def conclude_one(storage: SqlStorage) -> None:
    claim = await storage.claim(1.0, 1)
    await storage.conclude(claim.lease, [QueueOutcome(claim.rows[0].position, Fate.DEFERRED, "", 1e12)])


Operation = Callable[[SqlStorage, int, int], Awaitable[object]]

OPERATIONS: dict[str, Operation] = {
    "accept": lambda storage, box, since: storage.accept(message(10**6)),
    "accept again": lambda storage, box, since: storage.accept(message(0)),
    "append": lambda storage, box, since: storage.append(ALICE, box, [NewItem("a", "store:1", 1, 2, 0)]),
    "one item": lambda storage, box, since: storage.items(box, [(7, 7)]),
    "many items": lambda storage, box, since: storage.items(box, [(1, 100)]),
    "one flag": lambda storage, box, since: storage.store_flags(
        box, [(8, 8)], FlagMode.ADD, frozenset({"\\Deleted"})
    ),
    "copy one": lambda storage, box, since: storage.copy(box, [(9, 9)], box),
    "expunge one": lambda storage, box, since: storage.expunge(box, [(8, 8)]),
    "last changes": lambda storage, box, since: storage.changes(box, since - 3),
    "no changes": lambda storage, box, since: storage.changes(box, 10**9),
    "usage": lambda storage, box, since: storage.usage(ALICE),
    "mailboxes": lambda storage, box, since: storage.mailboxes(ALICE),
    "mailbox": lambda storage, box, since: storage.mailbox(ALICE, "INBOX"),
    "log": lambda storage, box, since: storage.log(100, 10),
    "log position": lambda storage, box, since: storage.log_position(),
    "queue": lambda storage, box, since: storage.accept(queued(10**7, "new.test")),
    "claim": lambda storage, box, since: storage.claim(1.0, 10),
    "conclude": lambda storage, box, since: conclude_one(storage),
    "next due": lambda storage, box, since: storage.next_due(),
    "ensure account": lambda storage, box, since: storage.ensure_account(ALICE),
}


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Operation → the instructions that it takes in a small store and in one four times as large."""
    found: dict[str, list[int]] = {}

    async def measure(size: int) -> None:
        scope = make_scope("storage-sql", tmp_path_factory.mktemp("store"), ManualClock())
        async with SqlStorage(scope) as storage:
            box, since = await fill(storage, size)
            await fill_queue(storage, size)
            await storage.states(box)  # opens a reader
            steps = Steps(storage)
            for name, operation in OPERATIONS.items():
                with steps.counting():
                    await operation(storage, box, since)
                found.setdefault(name, []).append(steps.count)

    for size in (SMALL, 4 * SMALL):
        asyncio.run(measure(size))
    return found


@pytest.mark.proves("store: the cost of a message does not grow with the store")
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_cost_stays_the_same_in_a_store_four_times_as_large(
    name: str, costs: dict[str, list[int]]
) -> None:
    small, large = costs[name]
    assert small > 0
    assert large <= small * 1.1 + 10


def test_reading_a_whole_mailbox_grows_in_proportion(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def measure(size: int) -> list[int]:
        scope = make_scope("storage-sql", tmp_path_factory.mktemp("store"), ManualClock())
        async with SqlStorage(scope) as storage:
            box, _ = await fill(storage, size)
            await storage.states(box)
            steps = Steps(storage)
            found = []
            for operation in (
                storage.states(box),
                storage.changes(box, 0),
                storage.store_flags(box, [(1, size)], FlagMode.ADD, frozenset({"\\Deleted"})),
                storage.copy(box, [(1, size)], box),
                storage.expunge(box),
            ):
                with steps.counting():
                    await operation
                found.append(steps.count)
            return found

    small, large = [asyncio.run(measure(size)) for size in (SMALL, 4 * SMALL)]
    for before, after in zip(small, large, strict=True):
        assert after <= 4.4 * before
