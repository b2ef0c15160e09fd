"""The write-ahead log of SQLite comes into the file behind the commits."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest
from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.sqlite import checkpoints

from hub.testing.contracts.storage.fixtures import filled
from hub.testing.plugin import PluginScope


def in_the_file(index: Path, copy: Path) -> int:
    """Items that the file has by itself, without its log."""
    shutil.copy(index, copy)
    db = sqlite3.connect(copy)
    try:
        return int(db.execute("SELECT count(*) FROM item").fetchone()[0])
    finally:
        db.close()


@pytest.mark.proves("store: no commit waits until SQLite's log is brought into its file")
async def test_a_commit_leaves_the_checkpoint_to_another_thread(
    plugin_scope: PluginScope, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE", 3600.0)
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        for number in range(100):
            await storage.kv("one").set(f"large {number}", bytes(60_000))
        await filled(storage, checkpoints.ROWS)
        await asyncio.sleep(0)  # who has written goes on first
        pages = index.with_name("index.sqlite-wal").stat().st_size // 4096
        assert 1000 < pages < checkpoints.BACKSTOP  # SQLite by itself would have done it
        assert in_the_file(index, tmp_path / "before") == 0
        monkeypatch.setattr(checkpoints, "PAUSE", 0.0)
        found = storage._db._checkpoints  # type: ignore[attr-defined]
        found._timer.cancel()
        found._timer = None
        await filled(storage, 1)
        await asyncio.sleep(0)
        while found._timer is not None:
            await asyncio.sleep(0)
        await asyncio.to_thread(found._thread.shutdown)
        assert in_the_file(index, tmp_path / "behind") == checkpoints.ROWS + 1
