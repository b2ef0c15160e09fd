"""What has happened in a mailbox: read on the event loop where that is short, in a thread where it is not."""

from __future__ import annotations

import pytest
from hub_plugin_storage_sql import SqlStorage

from hub import AccountRef, FlagMode, NewItem

ALICE = AccountRef("default", "alice")
SEEN = frozenset({"\\Seen"})
MANY = 3000


async def opened(storage: SqlStorage) -> tuple[int, int]:
    """INBOX with so many items that not all are read at once; its id, and its highest modseq."""
    await storage.ensure_account(ALICE)
    inbox = await storage.mailbox(ALICE, "INBOX")
    assert inbox is not None
    await storage.append(ALICE, inbox.id, [NewItem(f"i{n}", "store:1", 1, 2, 0) for n in range(MANY)])
    return inbox.id, (await storage.changes(inbox.id, 0)).highest_modseq


@pytest.fixture
def threads(storage: SqlStorage, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was read in a thread."""
    read, works = storage._db.read, []

    async def counted(work):  # type: ignore[no-untyped-def]
        works.append(work)
        return await read(work)

    monkeypatch.setattr(storage._db, "read", counted)
    return works


async def test_a_few_changes_are_read_at_once(storage: SqlStorage, threads: list[object]) -> None:
    inbox, since = await opened(storage)
    threads.clear()
    for uid in (3, 40, MANY):
        await storage.store_flags(inbox, [(uid, uid)], FlagMode.ADD, frozenset({"\\Seen", "\\Deleted"}))
    await storage.expunge(inbox, [(40, 40)])
    changes = await storage.changes(inbox, since)
    assert changes.changed.uids.tolist() == [3, MANY]
    assert changes.vanished == ((40, 40),)
    history = await storage.history(inbox, since)
    assert (list(history.touched), list(history.vanished)) == ([(3, 3), (40, 40), (MANY, MANY)], [(40, 40)])
    assert threads == []


@pytest.mark.parametrize("uids", [[(1, MANY)], [(uid, uid) for uid in range(1, 1200, 4)]])
async def test_many_are_read_in_a_thread(
    storage: SqlStorage, threads: list[object], uids: list[tuple[int, int]]
) -> None:
    inbox, since = await opened(storage)
    await storage.store_flags(inbox, uids, FlagMode.ADD, SEEN)
    expected = [uid for first, last in uids for uid in range(first, last + 1)]
    threads.clear()
    assert (await storage.changes(inbox, since)).changed.uids.tolist() == expected
    assert len(threads) == 1
    history = await storage.history(inbox, since)
    assert list(history.touched) == uids
    assert len(threads) == (1 if len(uids) == 1 else 2), "the log is long, or short whatever it tells of"
