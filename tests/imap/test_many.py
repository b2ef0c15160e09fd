"""A mailbox of 10,000 messages: what is read is counted, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import base64
import imaplib
from collections import Counter
from collections.abc import Sequence

import pytest

from hub.imap.contents import TOGETHER
from hub.imap.fetch import BATCH
from hub.imap.summarising import Summarising
from hub.mail.ident import new_id
from hub.mail.login import AccountRef
from hub.services.blobs import BlobGone
from hub.services.storage import Item, NewItem, UidRanges
from hub.services.summary import MessageColumn, Row
from tests.imap.conftest import Client, ImapHub

COUNT = 10_000
HEAD = (
    b"From: Ann Example <ann@example.org>\r\nTo: alice@example.test\r\nSubject: number %d\r\n"
    b"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nMessage-ID: <%d@example.org>\r\n\r\n"
)
BODY = b"a line of text\r\n" * 20


class Counting:
    """Passes everything on and counts the calls and the octets that were read."""

    def __init__(self, driver: object) -> None:
        self._driver = driver
        self.calls: Counter[str] = Counter()
        self.octets = 0

    def __getattr__(self, name: str) -> object:
        self.calls[name] += 1
        return getattr(self._driver, name)

    async def items(self, mailbox: int, uids: UidRanges, viewer: AccountRef | None = None) -> Sequence[Item]:
        self.calls["items"] += 1
        found: Sequence[Item] = await self._driver.items(mailbox, uids, viewer)  # type: ignore[attr-defined]
        assert len(found) <= BATCH
        return found

    async def columns(self, mailbox: int, uids: UidRanges, columns: Sequence[MessageColumn]) -> Sequence[Row]:
        self.calls["columns"] += 1
        found: Sequence[Row] = await self._driver.columns(mailbox, uids, columns)  # type: ignore[attr-defined]
        assert len(found) <= BATCH
        return found

    async def read_many(self, wanted: Sequence[tuple[str, int | None]]) -> Sequence[bytes | BlobGone]:
        self.calls["read_many"] += 1
        found: Sequence[bytes] = await self._driver.read_many(wanted)  # type: ignore[attr-defined]
        assert sum(map(len, found)) <= TOGETHER
        self.octets += sum(map(len, found))
        return found

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        self.calls["read"] += 1
        octets: bytes = await self._driver.read(reference, offset, length)  # type: ignore[attr-defined]
        self.octets += len(octets)
        return octets


@pytest.fixture
async def many(imap: ImapHub) -> ImapHub:
    services = imap.kernel.services
    await services.storage.ensure_account(imap.alice)
    inbox = await services.storage.mailbox(imap.alice, "INBOX")
    assert inbox is not None

    async def put(number: int) -> NewItem:
        head = HEAD % (number, number)
        blob = await services.blobs.put(head, BODY, b"{}")
        return NewItem(new_id(), blob, len(head), len(head) + len(BODY), 1_770_000_000 + number)

    items = await asyncio.gather(*[put(number) for number in range(COUNT)])
    await services.storage.append(imap.alice, inbox.id, items)
    return imap


async def test_a_client_reads_and_changes_all_of_it(many: ImapHub) -> None:
    def talk() -> None:
        with imaplib.IMAP4("127.0.0.1", many.port) as client:
            client.login("alice@example.test", "demo")
            assert client.select() == ("OK", [b"10000"])
            assert len(client.fetch("1:*", "(FLAGS)")[1]) == COUNT
            envelopes = client.fetch("1:*", "(UID ENVELOPE)")[1]
            assert len(envelopes) == COUNT
            assert b'"number 9999"' in bytes(envelopes[-1])  # type: ignore[arg-type]
            assert client.search(None, "SUBJECT", '"number 77"')[1][0].split()[0] == b"78"
            assert len(client.uid("SEARCH", "ALL")[1][0].split()) == COUNT
            odd = ",".join(map(str, range(1, COUNT, 2)))
            assert len(client.uid("STORE", odd, "+FLAGS", "(\\Deleted)")[1]) == COUNT // 2
            assert client.copy("1:*", "Archive")[0] == "OK"
            assert len(client.expunge()[1]) == COUNT // 2
            assert client.status("Archive", "(MESSAGES)")[1] == [b"Archive (MESSAGES 10000)"]
            assert client.fetch("1:2", "(UID)")[1] == [b"1 (UID 2)", b"2 (UID 4)"]

    await many.blocking(talk)


async def answered(client: Client, tag: bytes) -> int:
    """How many FETCH responses came before the tagged one."""
    lines = await client.answer(tag)
    assert lines[-1].startswith(b"OK")
    return sum(b" FETCH (" in line for line in lines)


async def test_envelopes_are_made_once(many: ImapHub) -> None:
    services = many.kernel.services
    blobs = Counting(services.blobs)
    async with await many.logged_in(mailbox="INBOX") as client:
        made = await client.ok("FETCH 1:* (UID ENVELOPE)")
        await Summarising(many.kernel).make_wanted()
        services.blobs = blobs  # type: ignore[assignment]
        assert await client.ok("FETCH 1:* (UID ENVELOPE)") == made
        assert len(await client.ok("FETCH 1:* (BODYSTRUCTURE PREVIEW)")) == COUNT
        assert blobs.calls == Counter()


async def test_only_what_is_asked_for_is_read(many: ImapHub) -> None:
    services = many.kernel.services
    storage, blobs = Counting(services.storage), Counting(services.blobs)
    async with await many.logged_in(mailbox="INBOX") as client:
        services.storage, services.blobs = storage, blobs  # type: ignore[assignment]
        client.write(b"a1 FETCH 1:* (UID FLAGS)\r\n")
        assert await answered(client, b"a1") == COUNT
        assert storage.calls == Counter()
        assert blobs.calls == Counter()
        client.write(b"a2 FETCH 1:* (RFC822.SIZE INTERNALDATE)\r\n")
        assert await answered(client, b"a2") == COUNT
        batches = -(-COUNT // BATCH)
        assert storage.calls == {"columns": batches}
        assert blobs.calls == Counter()
        client.write(b"a3 FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[HEADER])\r\n")
        assert await answered(client, b"a3") == COUNT
        heads = sum(len(HEAD % (number, number)) for number in range(COUNT))
        assert blobs.octets == heads
        assert blobs.calls == {"read_many": batches}
        assert storage.calls == {"columns": 2 * batches}
        client.write(b"a4 SEARCH SEEN\r\na5 SEARCH UID 5000 TEXT line\r\n")
        assert await client.line() == b"* SEARCH"
        assert (await client.line()).startswith(b"a4 OK")
        assert await client.line() == b"* SEARCH 5000"
        assert storage.calls == {"columns": 2 * batches + 1}
        assert blobs.calls["read_many"] + blobs.calls["read"] == batches + 1


async def test_parts_stand_where_they_were_asked_for(many: ImapHub) -> None:
    async with await many.logged_in(mailbox="INBOX") as client:
        parts = 'BODY.PEEK[TEXT]<1.3> FLAGS BODY.PEEK[HEADER.FIELDS ("%b")] RFC822.SIZE'
        told = await client.ok(f"FETCH 1:600 (UID {parts})")
        whole = await client.ok("FETCH 1:600 BODY.PEEK[]")
        for number in range(600):
            head = HEAD % (number, number)
            assert told[number] == (
                b"* %d FETCH (UID %d BODY[TEXT]<1> {3}\r\n%b FLAGS () "
                b'BODY[HEADER.FIELDS ("%%b")] {2}\r\n\r\n RFC822.SIZE %d)'
            ) % (number + 1, number + 1, BODY[1:4], len(head + BODY))
            assert whole[number] == b"* %d FETCH (BODY[] {%d}\r\n%b%b)" % (
                number + 1,
                len(head + BODY),
                head,
                BODY,
            )


@pytest.mark.proves("imap: a mailbox of ten thousand is fetched while others are served")
async def test_others_are_served_meanwhile(many: ImapHub) -> None:
    async with await many.logged_in(mailbox="INBOX") as reading, await many.logged_in() as other:
        for command in (
            b"FETCH 1:* (FLAGS ENVELOPE)",
            b"FETCH 1:* BODYSTRUCTURE",
            b"FETCH 1:* BODY.PEEK[]",
            b"SEARCH TEXT nowhere",
        ):
            reading.write(b"a1 " + command + b"\r\n")
            done = asyncio.create_task(reading.answer(b"a1"))
            served = 0
            while not done.done():
                await other.ok("NOOP")
                served += 1
            assert done.result()[-1].startswith(b"OK")
            assert served >= 5, command


async def test_a_mailbox_that_is_emptied_meanwhile_stays_in_step(many: ImapHub) -> None:
    async with (
        await many.logged_in(mailbox="INBOX") as reading,
        await many.logged_in(mailbox="INBOX") as other,
    ):
        await other.ok("STORE 1:9000 +FLAGS.SILENT \\Deleted")
        await other.ok("EXPUNGE")
        told = await reading.ok("FETCH 1:* (UID ENVELOPE)")
        pairs = sorted((int(line.split()[1]), int(line.split()[4])) for line in told)
        assert pairs == [(number, number) for number in range(1, 10_001)]
        told = await reading.ok("NOOP")
        assert [line for line in told if b"EXPUNGE" in line] == [
            b"* %d EXPUNGE" % number for number in range(9000, 0, -1)
        ]
        assert await reading.ok("FETCH 1 UID") == [b"* 1 FETCH (UID 9001)"]


async def test_a_search_of_a_mailbox_that_is_emptied_meanwhile_stays_in_step(many: ImapHub) -> None:
    async with (
        await many.logged_in(mailbox="INBOX") as searching,
        await many.logged_in(mailbox="INBOX") as other,
    ):
        await other.ok("STORE 1:9000 +FLAGS.SILENT \\Deleted")
        searching.write(b"a1 SEARCH TEXT line\r\n")
        await other.ok("EXPUNGE")  # of what is being read
        *found, answer = await searching.answer(b"a1")
        (numbers,) = (line for line in found if line.startswith(b"* SEARCH"))
        assert set(range(9001, COUNT + 1)) <= set(map(int, numbers.split()[2:]))
        assert answer.startswith(b"OK")
        for key, missed in (("TEXT line", 1000), ("SUBJECT number", 1000), ("ALL", COUNT)):
            *found, answer = await searching.command(f"SEARCH {key}")
            numbers = next(line for line in found if line.startswith(b"* SEARCH"))
            assert len(numbers.split()) == 2 + missed, key  # they have their numbers still
            assert answer.startswith(b"OK [EXPUNGEISSUED]" if missed == 1000 else b"OK Done"), key
        assert await searching.ok("UID SEARCH TEXT line") != []
        await searching.ok("NOOP")
        assert await searching.ok("SEARCH SUBJECT number") == [
            b"* SEARCH " + b" ".join([b"%d" % number for number in range(1, 1001)])
        ]


THUNDERBIRD = (
    "namespace",
    'lsub "" "*"',
    'list "" "INBOX"',
    'select "INBOX"',
    "UID fetch 1:* (FLAGS)",
    "UID fetch 9951:10000 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date "
    "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
    "UID fetch 10000 (UID RFC822.SIZE BODY[])",
    "uid store 10000 +Flags (\\Seen \\Deleted)",
    'uid copy 10000 "Trash"',
    "IDLE\r\nDONE",
    "noop",
    "expunge",
    "UID fetch 9999 (UID BODY.PEEK[HEADER.FIELDS (Content-Type Content-Transfer-Encoding)] "
    "BODY.PEEK[TEXT]<0.2048>)",
    "close",
    "logout",
)


async def test_the_commands_of_thunderbird_are_all_understood(many: ImapHub) -> None:
    async with await many.client() as client:
        client.write(b"1 authenticate PLAIN\r\n")
        assert await client.line() == b"+ "
        client.write(base64.b64encode(b"\0alice@example.test\0demo") + b"\r\n")
        assert (await client.line()).startswith(b"1 OK [CAPABILITY ")
        answers = {command: await client.ok(command) for command in THUNDERBIRD}
    assert len(answers["UID fetch 1:* (FLAGS)"]) == COUNT
    headers, body, first = (answers[THUNDERBIRD[index]] for index in (5, 6, 12))
    assert len(headers) == 50
    assert b"Subject: number 9999\r\n" in headers[-1]
    whole = HEAD % (9999, 9999) + BODY
    assert body == [
        b"* 10000 FETCH (UID 10000 RFC822.SIZE %d BODY[] {%d}\r\n%b FLAGS (\\Seen))"
        % (len(whole), len(whole), whole)
    ]
    assert answers["expunge"] == [b"* 10000 EXPUNGE"]
    assert BODY in first[0]
