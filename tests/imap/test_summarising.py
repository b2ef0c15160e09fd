"""Summaries are made by a follower of the log: whatever happened since it was last there is made up for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.cli.opening import services
from hub.imap.summarising import GATHERING, PATIENCE, Summarising
from hub.loading.wanted import FEW, Wanted
from hub.services.blobs import BlobGone
from hub.services.clock import SystemClock
from hub.services.storage import Storage
from hub.services.summary import MessageColumn
from hub.testing.load import mail_load
from tests.crew import until
from tests.imap.conftest import ImapHub
from tests.store.killable import Killable, killable

COUNT = 30


async def unmade(storage: Storage, mailbox: int) -> list[int]:
    rows = await storage.columns(mailbox, [(1, 1 << 31)], (MessageColumn.SUBJECT, MessageColumn.PREVIEW))
    return [uid for uid, *found in rows if None in found]


async def test_mail_that_came_while_nobody_followed_is_made_up_for(imap: ImapHub) -> None:
    storage = imap.kernel.services.storage
    async with await imap.logged_in() as client:
        for number in range(COUNT):
            await client.append("INBOX", b"Subject: %d\r\n\r\nbody\r\n" % number)
    inbox = await storage.mailbox(imap.alice, "INBOX")
    assert inbox is not None
    assert len(await unmade(storage, inbox.id)) == COUNT

    async def is_made() -> bool:
        assert inbox is not None
        return not await unmade(storage, inbox.id)

    for _ in range(2):  # the second one finds nothing to do, and what comes then
        summarising = Summarising(imap.kernel)
        summarising.start()
        await until(is_made)
        await summarising.close()
        async with await imap.logged_in() as client:
            await client.append("INBOX", b"Subject: one more\r\n\r\nbody\r\n")
    rows = await storage.columns(inbox.id, [(COUNT, COUNT + 1)], (MessageColumn.SUBJECT,))
    assert [tuple(row) for row in rows] == [(COUNT, b"29"), (COUNT + 1, b"ONE MORE")]


class Restless(SystemClock):
    """Nobody sleeps; as often as said, a client goes on to list messages without summaries meanwhile."""

    def __init__(self, wanted: Wanted, mailbox: int, times: int) -> None:
        self.sleeps: list[float] = []
        self._wanted = wanted
        self._mailbox = mailbox
        self._times = times

    async def sleep(self, seconds: float) -> None:
        """Return at once."""
        self.sleeps.append(seconds)
        if len(self.sleeps) <= self._times:
            self._wanted.add(self._mailbox, range(1, 2 + FEW))


@pytest.mark.parametrize(("times", "waits"), [(0, 0), (1, 1), (3, 3), (1000, PATIENCE)])
async def test_who_lists_what_is_not_made_yet_is_waited_for_but_not_for_ever(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch, times: int, waits: int
) -> None:
    services, wanted = imap.kernel.services, imap.kernel.wanted
    async with await imap.logged_in() as client:
        for number in range(COUNT):
            await client.append("INBOX", b"Subject: %d\r\n\r\nbody\r\n" % number)
    inbox = await services.storage.mailbox(imap.alice, "INBOX")
    assert inbox is not None
    wanted.add(inbox.id, range(1, COUNT + 1))
    assert wanted.missed == 0  # few, as one fetches them that have just come
    clock = Restless(wanted, inbox.id, times)
    read_many = services.blobs.read_many

    async def listed_meanwhile(blobs: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        await clock.sleep(0)
        return await read_many(blobs)

    monkeypatch.setattr(services, "clock", clock)
    monkeypatch.setattr(services.blobs, "read_many", listed_meanwhile)
    await Summarising(imap.kernel).make_wanted()
    assert clock.sleeps == [0, *[GATHERING] * waits]
    assert await unmade(services.storage, inbox.id) == []


@pytest.mark.proves("imap: summaries of mail that was delivered before a crash are made after it")
async def test_a_hub_that_is_killed_behind_a_delivery_makes_the_summaries_later(tmp_path: Path) -> None:
    async with killable(tmp_path) as hub:
        async with mail_load(hub.port, sessions=4, size=700) as load:
            for _ in range(3):
                await hub.start()
                await load.until_accepted(10)
                await hub.kill()  # within the quarter of a second in which mail gathers
            taken = len(load.accepted)
        assert await left(hub) >= 10
        await hub.forget_leases()
        await hub.start()

        async def is_made() -> bool:
            return not await left(hub)

        await until(is_made)
        await hub.stop()
        assert len(await hub.items()) >= taken


async def left(hub: Killable) -> int:
    async with services(hub.config) as opened:
        inbox = await opened.storage.mailbox(hub.account, "INBOX")
        assert inbox is not None
        return len(await unmade(opened.storage, inbox.id))
