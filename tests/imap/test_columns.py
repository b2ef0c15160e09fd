"""Columns in memory: bounded, and whole for whoever searches while they are forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from hub.imap.columns import ColumnCache, column_cache
from hub.imap.criteria import EVERY
from hub.imap.output import Output
from hub.imap.searched import Searched
from hub.imap.session import ImapSession
from hub.imap.sort import in_order
from hub.services.summary import MessageColumn
from tests.imap.conftest import ImapHub


def test_what_was_searched_longest_ago_is_forgotten() -> None:
    cache = ColumnCache(limit=5)
    for mailbox in (1, 2, 3):
        cache.values(mailbox, MessageColumn.SIZE).update(dict.fromkeys(range(2), 10))
        cache.trim(mailbox, 2)
    assert [len(cache.values(mailbox, MessageColumn.SIZE)) for mailbox in (1, 2, 3)] == [0, 2, 2]
    cache.values(2, MessageColumn.SIZE)
    cache.values(2, MessageColumn.SUBJECT).update(dict.fromkeys(range(2), b""))
    cache.trim(2, 2)
    assert [len(cache.values(mailbox, MessageColumn.SIZE)) for mailbox in (2, 3)] == [2, 0]


def test_a_mailbox_that_is_too_large_and_messages_that_are_gone_are_forgotten() -> None:
    cache = ColumnCache(limit=5)
    cache.values(1, MessageColumn.SIZE).update(dict.fromkeys(range(6), 10))
    cache.trim(1, 6)
    assert cache.values(1, MessageColumn.SIZE) == {}
    cache = ColumnCache()
    cache.values(1, MessageColumn.SIZE).update(dict.fromkeys(range(1100), 10))
    cache.trim(1, 2)
    assert cache.values(1, MessageColumn.SIZE) == {}


async def test_a_search_keeps_what_it_has_loaded(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        await client.append("INBOX", b"Subject: b\r\n\r\n")
        await client.append("INBOX", b"Subject: a\r\n\r\n")
        inbox = await imap.kernel.services.storage.mailbox(imap.alice, "INBOX")
        assert inbox is not None
        session = SimpleNamespace(kernel=imap.kernel, storage=imap.kernel.services.storage, out=Output())
        flags = [frozenset[str]()] * 2
        mailbox = Searched(cast(ImapSession, session), inbox.id, [1, 2], flags, [1, 2])
        found = await mailbox.load((MessageColumn.SIZE,), await mailbox.find(EVERY))
        column_cache(imap.kernel)._columns.clear()
        assert sorted(mailbox.column(MessageColumn.SIZE)) == [1, 2]
        assert await in_order(mailbox, found, [(MessageColumn.SUBJECT, False)]) == [1, 0]
