"""ESEARCH in many mailboxes (RFC 7377): how many, and what becomes of one that goes meanwhile."""

from __future__ import annotations

import pytest

from hub.imap import multisearch, sources
from hub.imap.place import Place
from hub.imap.searched import Searched
from hub.imap.session import ImapSession
from tests.imap.conftest import ImapHub


async def test_more_mailboxes_than_may_be_searched_are_refused(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_MAILBOXES", 5)
    async with await imap.logged_in() as client:
        refused = await client.command(
            "ESEARCH IN (personal) ALL"
        )  # INBOX, Drafts, Sent, Trash, Junk, Archive
        assert b"NO [LIMIT] " in refused[-1]
        refused = await client.command("ESEARCH IN (mailboxes (a b c) subtree (d e f)) ALL")
        assert b"NO [LIMIT] " in refused[-1]
        assert await client.ok("ESEARCH IN (mailboxes (a b INBOX)) ALL") == []


async def test_a_mailbox_that_goes_meanwhile_is_left_out(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await imap.logged_in() as client, await imap.logged_in() as other:
        await client.ok("CREATE going")
        for name in ("INBOX", "going"):
            await client.append(name, b"Subject: one\r\n\r\n")
        open_one = multisearch._open

        async def opened(session: ImapSession, place: Place) -> Searched:
            if place.name == "going":
                await other.ok("DELETE going")
            return await open_one(session, place)

        monkeypatch.setattr(multisearch, "_open", opened)
        found = await client.ok("ESEARCH IN (mailboxes (going INBOX)) ALL")
        assert [line.split(b" UIDVALIDITY")[0].split(b"MAILBOX ")[1] for line in found] == [b"INBOX"]


async def test_every_mailbox_is_looked_at_once_and_kept_for_the_next_search(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        await client.append("Archive", b"Subject: one\r\n\r\n")
        for flags in ("", "\\Seen"):
            found = await client.ok("ESEARCH IN (personal subtree Archive mailboxes Archive) SEEN")
            assert len(found) == bool(flags)
            await client.ok("SELECT Archive")
            await client.ok("STORE 1 +FLAGS (\\Seen)")
            await client.ok("UNSELECT")
