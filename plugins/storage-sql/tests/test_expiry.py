"""What has expired leaves the file, not only the answers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hub_plugin_storage_sql import SqlStorage, counters
from hub_plugin_storage_sql.purging import PURGE_SECONDS

from hub import FlagMode
from hub.testing.clock import ManualClock
from hub.testing.contracts.storage.fixtures import ALL, DELETED, filled
from hub.testing.contracts.storage.summaries import summary
from hub.testing.plugin import PluginScope


def run(index: Path, statement: str) -> list[tuple[object, ...]]:
    """Run it in another connection, and commit."""
    db = sqlite3.connect(index, isolation_level=None)
    try:
        return db.execute(statement).fetchall()
    finally:
        db.close()


def keys(index: Path) -> set[object]:
    return {key for (key,) in run(index, "SELECT key FROM kv UNION SELECT key FROM counter")}


async def test_expired_keys_and_counters_are_removed_by_and_by(
    plugin_scope: PluginScope, manual_clock: ManualClock, index: Path
) -> None:
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        storage.kv("one").count("old counter", window=10)
        storage.kv("one").count("counter", window=10_000)
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        kv = storage.kv("one")
        await kv.set("old", b"", expires=10)
        await kv.set("young", b"", expires=1000)
        await kv.set("eternal", b"")
        assert keys(index) == {"old counter", "counter", "old", "young", "eternal"}
        await manual_clock.turn(PURGE_SECONDS)
        await kv.set("after", b"")  # in the purge's group or a later one
        assert keys(index) == {"counter", "young", "eternal", "after"}


async def test_a_counter_that_cannot_be_stored_counts_on(
    storage: SqlStorage, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "FLUSH_SECONDS", 3600)  # only when the test says so
    kv = storage.kv("one")
    assert kv.count("hits", 3, window=60) == 3
    run(index, "ALTER TABLE counter RENAME TO elsewhere")
    await storage._counters._flush()
    assert kv.count("hits", window=60) == 4
    run(index, "ALTER TABLE elsewhere RENAME TO counter")
    await storage._counters._flush()
    assert run(index, "SELECT value FROM counter") == [(4,)]
    assert kv.count("hits", window=60) == 5


async def test_a_counter_that_rests_is_forgotten_and_read_again(storage: SqlStorage, index: Path) -> None:
    kv = storage.kv("one")
    kv.count("hits", 3, window=60)
    await storage._counters._flush()
    await storage._counters._flush()
    run(index, "UPDATE counter SET value = 10")  # as another worker does
    assert kv.count("hits", window=60) == 11


@pytest.mark.parametrize("keep", [30 * 86_400, 0])
async def test_a_summary_goes_with_what_was_kept_of_its_item(
    plugin_scope: PluginScope, manual_clock: ManualClock, index: Path, keep: int
) -> None:
    async with SqlStorage(plugin_scope("storage-sql", {"keep_expunged": keep})) as storage:
        mailbox = await filled(storage, 3)
        await storage.keep_summaries(mailbox, {uid: summary(uid) for uid in (1, 2, 3)})
        await storage.store_flags(mailbox, [(1, 2)], FlagMode.ADD, DELETED)
        assert list(await storage.expunge(mailbox)) == [1, 2]
        assert run(index, "SELECT count(*) FROM summary") == [(3 if keep else 1,)]
        assert len(await storage.columns(mailbox, ALL, ())) == 1
        await manual_clock.turn(keep + PURGE_SECONDS)
        await storage.kv("one").set("after", b"")  # in the purge's group or a later one
        assert run(index, "SELECT count(*) FROM expunged") == [(0,)]
        assert run(index, "SELECT id & 4294967295 FROM summary") == [(3,)]
