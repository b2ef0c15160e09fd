"""The write-ahead log of SQLite comes into the file behind the commits."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.sqlite import checkpoints

from hub.testing.contracts.storage.fixtures import filled
from hub.testing.plugin import PluginScope

T = TypeVar("T")


def in_the_file(index: Path, copy: Path) -> int:
    """Items that the file has by itself, without its log."""
    shutil.copy(index, copy)
    db = sqlite3.connect(copy)
    try:
        return int(db.execute("SELECT count(*) FROM item").fetchone()[0])
    finally:
        db.close()


class Held(ThreadPoolExecutor):
    """Works once `go` is set. given: what its work comes to."""

    def __init__(self, size: int, name: str) -> None:
        self.go = threading.Event()
        self.given: list[Future[object]] = []
        super().__init__(size, name, self.go.wait)

    def submit(self, work: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        future = super().submit(work, *arguments, **named)
        self.given.append(cast("Future[object]", future))
        return future


@pytest.mark.proves("store: no commit waits until SQLite's log is brought into its file")
async def test_a_commit_leaves_the_checkpoint_to_another_thread(
    plugin_scope: PluginScope, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAUSE", 0.0)
    held = Held(1, "index-checkpoint")
    monkeypatch.setattr(checkpoints, "ThreadPoolExecutor", lambda *_: held)
    async with SqlStorage(plugin_scope("storage-sql")) as storage:
        for number in range(100):
            await storage.kv("one").set(f"large {number}", bytes(60_000))
        await filled(storage, checkpoints.ROWS)
        pages = index.with_name("index.sqlite-wal").stat().st_size // 4096
        assert 1000 < pages < checkpoints.BACKSTOP  # SQLite by itself would have done it
        assert in_the_file(index, tmp_path / "before") == 0
        while not held.given:
            await asyncio.sleep(0)
        held.go.set()
        await asyncio.wrap_future(held.given[0])
        assert in_the_file(index, tmp_path / "behind") == checkpoints.ROWS
