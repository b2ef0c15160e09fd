"""Summaries are made by a follower of the log: whatever happened since it was last there is made up for."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.cli.opening import services
from hub.imap.summarising import Summarising
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
