"""Messages of one APPEND become durable together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from hub.imap.batch import AT_ONCE, Batch
from hub.loading.budget import Budget
from hub.services.blobs import Blobs, StoreFull
from hub.services.storage import NewItem


class Disk:
    """Blobs of which the test says when they are durable. waiting: by their bodies."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, asyncio.Future[str]] = {}

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        self.waiting[body] = future = asyncio.get_running_loop().create_future()
        reference: str = await future
        return reference

    def sync(self) -> None:
        for body, future in self.waiting.items():
            if not future.done():
                future.set_result(body.decode())


def put(batch: Batch, body: bytes, *, size: int = 10, is_last: bool = False) -> Coroutine[Any, Any, None]:
    return batch.put(NewItem(body.decode(), "", 0, size, 0), b"", body, b"", is_last=is_last)


async def until(disk: Disk, count: int) -> None:
    while len(disk.waiting) < count:
        await asyncio.sleep(0)


@pytest.mark.proves("imap: the messages of a MULTIAPPEND share their syncs")
async def test_only_the_last_message_waits_for_the_disk() -> None:
    disk, budget = Disk(), Budget()
    batch = Batch(cast(Blobs, disk), budget)
    await put(batch, b"one")
    await put(batch, b"two")
    assert (len(batch), batch.size, batch.items, budget.held) == (2, 20, [], 20)
    last = asyncio.create_task(put(batch, b"three", is_last=True))
    await until(disk, 3)
    assert not last.done()
    disk.sync()
    await last
    assert [(item.id, item.blob) for item in batch.items] == [
        (name, name) for name in ("one", "two", "three")
    ]
    assert (len(batch), batch.size, budget.held) == (3, 30, 0)


async def test_no_more_waits_than_may_be_in_memory() -> None:
    disk = Disk()
    batch = Batch(cast(Blobs, disk), Budget())
    await put(batch, b"one", size=AT_ONCE)
    full = asyncio.create_task(put(batch, b"two"))
    await until(disk, 2)
    assert not full.done()
    disk.sync()
    await full
    assert len(batch.items) == 2


async def test_what_fails_is_told_and_the_rest_is_known() -> None:
    disk, budget = Disk(), Budget()
    batch = Batch(cast(Blobs, disk), budget)
    await put(batch, b"one")
    await put(batch, b"two")
    last = asyncio.create_task(put(batch, b"three", is_last=True))
    await until(disk, 3)
    disk.waiting[b"two"].set_exception(StoreFull("full"))
    disk.sync()
    with pytest.raises(StoreFull):
        await last
    await batch.end()
    assert [item.blob for item in batch.items] == ["one", "three"]
    assert budget.held == 0


async def test_what_nobody_waits_for_is_not_put() -> None:
    disk = Disk()
    batch = Batch(cast(Blobs, disk), Budget())
    await put(batch, b"one")
    await until(disk, 1)
    batch.abandon()
    await batch.end()
    assert disk.waiting[b"one"].cancelled()
    assert batch.items == []
