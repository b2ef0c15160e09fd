"""A hub that serves gives back the space of removed messages, and nobody who reads notices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.loading.collecting import SECONDS
from hub.services.storage import UidRanges
from hub.services.summary import MessageColumn, Row
from hub.testing.clock import ManualClock
from hub.testing.running import RunningHub, running_hub
from tests.crew import until

TABLES = {
    "plugins": {
        "blobs-segment": {"segment_size": 50_000, "collect_after": 0, "keep_free": 0},
        "storage-sql": {"keep_expunged": 0},
    }
}


def text(number: int, octets: int = 3_000) -> str:
    return f"Subject: {number}\r\n\r\n" + f"{number:08}\r\n" * (octets // 10)


def store_size(hub: RunningHub) -> int:
    return sum(path.stat().st_size for path in hub.folder.rglob("*") if path.suffix in (".seg", ".blob"))


async def remove(hub: RunningHub, uids: str) -> None:
    def work(client: IMAP4) -> None:
        client.select("INBOX")
        client.uid("STORE", uids, "+FLAGS.SILENT", r"(\Deleted)")
        client.expunge()

    await hub.imap(work)


@pytest.mark.proves("store: a hub that serves collects removed messages, and those beside them stay readable")
async def test_a_serving_hub_gives_back_the_space_of_removed_messages(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_hub(tmp_path, tables=TABLES, clock=clock) as hub:
        for number in range(1, 61):
            assert (await hub.send(text(number)))[0] == 250
        assert (await hub.send(text(61, 400_000)))[0] == 250
        assert len(list(hub.folder.rglob("*.blob"))) == 1
        kept = [each for number, each in enumerate(await hub.mailbox(), 1) if number % 4 == 0]
        full = store_size(hub)
        await remove(hub, ",".join(str(number) for number in range(1, 62) if number % 4))
        assert store_size(hub) == full
        await clock.turn(SECONDS)

        async def is_small() -> bool:
            return store_size(hub) < full * 0.4

        await until(is_small, 30)
        assert not list(hub.folder.rglob("*.blob"))
        assert await hub.mailbox() == kept


async def test_a_message_that_moved_since_its_row_was_read_is_read_where_it_is_now(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running_hub(tmp_path, tables=TABLES, clock=clock) as hub:
        for number in range(1, 31):
            assert (await hub.send(text(number)))[0] == 250
        kept = [each for number, each in enumerate(await hub.mailbox(), 1) if number % 4 == 0]
        await remove(hub, ",".join(str(number) for number in range(1, 31) if number % 4))
        storage, blobs = hub.hub.kernel.services.storage, hub.hub.kernel.services.blobs
        real, moved = storage.columns, asyncio.Event()

        async def columns(mailbox: int, uids: UidRanges, wanted: Sequence[MessageColumn]) -> Sequence[Row]:
            """What a session has read of the index just before all of it moves."""
            rows = await real(mailbox, uids, wanted)
            if not moved.is_set():
                moved.set()
                assert (await blobs.collect(storage, force=True)).moved > 0
            return rows

        storage.columns = columns  # type: ignore[method-assign, assignment]
        assert await hub.mailbox() == kept
        assert moved.is_set()


async def test_what_is_put_and_has_no_row_yet_outlasts_a_collection(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables=TABLES) as hub:
        services = hub.hub.kernel.services
        real, collections = services.storage.accept, 0

        async def accept(acceptance: object, reports: object) -> object:
            """However long it takes until the rows are there."""
            nonlocal collections
            await services.blobs.collect(services.storage, force=True)
            collections += 1
            return await real(acceptance, reports)  # type: ignore[arg-type]

        services.storage.accept = accept  # type: ignore[method-assign, assignment]
        for number in range(40):
            assert (await hub.send(text(number)))[0] == 250
        assert collections == 40
        found = await hub.mailbox()
        assert len(found) == 40
        assert all(message.endswith(text(number)[-50:].encode()) for number, message in enumerate(found))
