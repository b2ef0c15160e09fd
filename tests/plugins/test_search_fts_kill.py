"""A hub that is killed while it indexes: afterwards the index says what the messages say."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import cast

import pytest
from hub_plugin_search_fts import FtsSearch
from hub_plugin_search_fts.tables import TEXT, UID_BITS
from sqlalchemy import select

from hub.cli.opening import services
from hub.mail.relevance import folded
from hub.mail.searchtext import SearchText
from hub.testing.load import mail_load
from tests.crew import until
from tests.soak import Soak
from tests.store.killable import Killable, killable


@pytest.mark.soak
@pytest.mark.proves("imap: search-fts killed while it indexes has all that a scan finds")
async def test_a_hub_that_is_killed_while_it_indexes_has_the_whole_index(tmp_path: Path, soak: Soak) -> None:
    chance = random.Random(7)
    rounds = soak.times(5, soak=60)
    async with killable(tmp_path, tables={"services": {"search": "search-fts"}}) as hub:
        async with mail_load(hub.port, sessions=4, size=700) as load:
            for _ in range(rounds):
                await hub.start()
                await load.until_accepted(chance.randrange(20, 80))
                await asyncio.sleep(chance.random() * 0.05)
                await hub.kill()
                await hub.forget_leases("search-fts")
        await hub.start()

        async def is_indexed() -> bool:
            return await behind(hub) == 0

        await until(is_indexed)
        await hub.stop()
        await assert_same(hub)
        soak.found("killed while indexing", f"{rounds} kills, {len(load.accepted):,} messages, all indexed")


async def behind(hub: Killable) -> int:
    async with services(hub.config) as opened:
        inbox = await opened.storage.mailbox(hub.account, "INBOX")
        assert inbox is not None
        assert opened.search is not None
        return inbox.uidnext - 1 - (await opened.search.indexed([inbox.id])).get(inbox.id, 0)


async def assert_same(hub: Killable) -> None:
    """Every message is in the index once, with its text."""
    async with services(hub.config) as opened:
        inbox = await opened.storage.mailbox(hub.account, "INBOX")
        assert inbox is not None
        expected: dict[int, str] = {}
        for item in await opened.storage.items(inbox.id, [(1, 1 << 31)]):
            octets = item.lines + await opened.blobs.read(item.blob)
            head = len(item.lines) + item.head_size
            expected[item.uid] = folded(SearchText(octets[:head], octets[head:]).everything())
        tables = cast("FtsSearch", opened.search)._tables
        rows = await tables.read(lambda db: list(db.execute(select(TEXT.c.rowid, TEXT.c.text))))
        base = inbox.id << UID_BITS
        assert len(rows) == len(expected)
        assert {key - base: text for key, text in rows} == expected
