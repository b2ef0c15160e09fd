"""When the disk is full, a message is lost or a mailbox goes away: an answer, and the session goes on."""

from __future__ import annotations

import pytest

from hub.mail.ident import new_id
from hub.services.blobs import Blobs, Spool, StoreFull
from hub.services.storage import NewItem
from tests.imap.conftest import ImapHub

LARGE = 400 << 10


async def put(imap: ImapHub, blob: str, size: int) -> None:
    """An item in INBOX whose octets are said to be those of `blob`."""
    storage = imap.kernel.services.storage
    await storage.ensure_account(imap.alice)
    inbox = await storage.mailbox(imap.alice, "INBOX")
    assert inbox is not None
    await storage.append(imap.alice, inbox.id, [NewItem(new_id(), blob, 14, size, 0)])


@pytest.mark.parametrize("size", [18, LARGE])
async def test_a_lost_message_takes_no_other_with_it(imap: ImapHub, size: int) -> None:
    there = await imap.kernel.services.blobs.put(b"Subject: x\r\n\r\n", b"body", b"{}")
    await put(imap, there, 18)
    await put(imap, there[:-1] + ("1" if there[-1] != "1" else "2"), size)
    await put(imap, there, 18)
    async with await imap.logged_in(mailbox="INBOX") as client:
        for attributes in ("BODY.PEEK[]", "ENVELOPE", "BODYSTRUCTURE"):
            first, last, answer = await client.command(f"FETCH 1:3 {attributes}")
            assert first.startswith(b"* 1 FETCH (")
            assert last.startswith(b"* 3 FETCH (")
            assert answer.startswith(b"NO [SERVERBUG] Some of the messages cannot be read now")
        assert await client.ok("SEARCH SUBJECT x") == [b"* SEARCH 1 3"]
        assert len(await client.ok("FETCH 1:3 (FLAGS RFC822.SIZE)")) == 3


async def test_a_message_that_is_shorter_than_it_should_be_is_not_sent(imap: ImapHub) -> None:
    blob = await imap.kernel.services.blobs.put(b"Subject: x\r\n\r\n", b"body", b"{}")
    await put(imap, blob, 20)
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert (await client.command("FETCH 1 BODY.PEEK[]"))[-1].startswith(b"NO [SERVERBUG]")


async def test_a_large_message_that_ends_within_its_literal_ends_the_connection(imap: ImapHub) -> None:
    blob = await imap.kernel.services.blobs.put(b"Subject: x\r\n\r\n", b"y" * LARGE, b"{}")
    await put(imap, blob, LARGE + 1000)
    async with await imap.logged_in(mailbox="INBOX") as client:
        client.write(b"a1 FETCH 1 BODY.PEEK[]\r\na2 NOOP\r\n")
        answer = await client.reader.read()
        assert b"a1 " not in answer
        assert b"a2 " not in answer
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.ok("NOOP")


class Full:
    """A store without room: at once, or after some octets of a large message."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self.discarded = 0

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        raise StoreFull

    async def spool(self) -> Spool:
        full, spool = self, await self._blobs.spool()

        class FullSpool:
            size = 0

            async def write(self, chunk: bytes) -> None:
                self.size += len(chunk)
                if self.size > 100_000:
                    raise StoreFull

            async def discard(self) -> None:
                full.discarded += 1
                await spool.discard()

        return FullSpool()  # type: ignore[return-value]


@pytest.mark.parametrize("size", [100, 2_000_000])
async def test_a_full_disk_refuses_a_message_and_the_session_goes_on(imap: ImapHub, size: int) -> None:
    blobs = imap.kernel.services.blobs
    full = Full(blobs)
    message = b"Subject: x\r\n\r\n" + b"y" * size
    async with await imap.logged_in(mailbox="INBOX") as client:
        imap.kernel.services.blobs = full  # type: ignore[assignment]
        answer = await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))
        assert answer == [
            b"NO [UNAVAILABLE] The server has no room for the message now, please try again later"
        ]
        assert full.discarded == (size > 256 << 10)
        imap.kernel.services.blobs = blobs
        await client.append("INBOX", message)
        assert await client.ok("SEARCH ALL") == [b"* SEARCH 1"]


async def test_a_select_that_fails_leaves_no_mailbox_open(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert (await client.command("SELECT nothing"))[-1].startswith(b"NO [NONEXISTENT]")
        assert await client.command("FETCH 1 FLAGS") == [b"BAD Open a mailbox first: SELECT or EXAMINE"]
