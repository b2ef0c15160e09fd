"""APPEND however its octets arrive, and however large they are."""

from __future__ import annotations

import asyncio
import base64
from typing import cast

import pytest

from hub.mail.address import Address
from hub.services.directory import DirectoryAdmin
from tests.imap.conftest import ImapHub, OpenHub

MESSAGE = b"Subject: split {3}\r\n\r\na line\r\n.\r\n"
COMMANDS = b"".join(
    (
        b'a1 LOGIN alice@example.test "demo"\r\n',
        b"a2 APPEND {5+}\r\nINBOX (\\Seen) {%d+}\r\n%b\r\n" % (len(MESSAGE), MESSAGE),
        b"a3 SELECT INBOX\r\n",
    )
)


@pytest.mark.parametrize("size", [1, 7, len(COMMANDS)])
async def test_pieces_of_any_size_are_one_conversation(imap: ImapHub, size: int) -> None:
    async with await imap.client() as client:
        for start in range(0, len(COMMANDS), size):
            client.write(COMMANDS[start : start + size])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer(b"a1"))[-1].startswith(b"OK")
        assert (await client.answer(b"a2"))[-1].startswith(b"OK [APPENDUID ")
        assert b"* 1 EXISTS" in await client.answer(b"a3")
        (fetched,) = await client.ok("FETCH 1 BODY.PEEK[]")
        assert fetched == b"* 1 FETCH (BODY[] {%d}\r\n%b)" % (len(MESSAGE), MESSAGE)


async def test_the_conversation_may_be_cut_at_every_octet(imap: ImapHub) -> None:
    for cut in range(1, len(COMMANDS)):
        async with await imap.client() as client:
            client.write(COMMANDS[:cut])
            await client.writer.drain()
            await asyncio.sleep(0)
            client.write(COMMANDS[cut:])
            assert (await client.answer(b"a2"))[-1].startswith(b"OK [APPENDUID "), cut
    async with await imap.logged_in(mailbox="INBOX") as client:
        fetched = await client.ok("FETCH 1:* BODY.PEEK[]")
        assert len(fetched) == len(COMMANDS) - 1
        assert all(line.endswith(MESSAGE + b")") for line in fetched)


@pytest.mark.parametrize("size", [256 << 10, (256 << 10) + 1, 3 << 20])
async def test_a_large_message_comes_back_octet_by_octet(imap: ImapHub, size: int) -> None:
    head = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n"
    body = b"0123456789abcdef" * (size // 16 + 1)
    message = (head + body)[:size]
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", message)
        (whole,) = [line for line in await client.ok("FETCH 1 BODY.PEEK[]") if b"BODY[]" in line]
        assert whole == b"* 1 FETCH (BODY[] {%d}\r\n%b)" % (size, message)
        (part,) = await client.ok(f"FETCH 1 BODY.PEEK[TEXT]<{size - 100}.400>")
        expected = message[len(head) :][size - 100 :]
        assert part == b"* 1 FETCH (BODY[TEXT]<%d> {%d}\r\n%b)" % (size - 100, len(expected), expected)
        (values,) = await client.ok("FETCH 1 (RFC822.SIZE BODY.PEEK[HEADER])")
        assert b"RFC822.SIZE %d " % size in values
        assert head in values


async def test_what_is_too_large_is_refused_and_read_over(open_hub: OpenHub) -> None:
    hub = await open_hub("[imap]\nmax_literal = 1000\n")
    async with await hub.logged_in() as client:
        assert (await client.command("APPEND INBOX {1001}"))[-1] == (
            b"NO [TOOBIG] The message has more than 1000 octets"
        )
        for size in (1001, 600_000):
            refused = await client.command(b"APPEND INBOX {%d+}\r\n%b" % (size, b"x" * size))
            assert refused == [b"NO [TOOBIG] The message has more than 1000 octets"]
        await client.append("INBOX", b"x" * 1000)


async def test_a_header_without_end_is_refused_and_read_over(imap: ImapHub) -> None:
    message = b"X-Long: yes\r\n" * 100_000
    async with await imap.logged_in() as client:
        refused = await client.command(b"APPEND INBOX {%d+}\r\n%b" % (len(message), message))
        assert refused[-1].startswith(b"NO [TOOBIG] The header of the message")
        await client.append("INBOX", message[: 300 << 10])


async def test_a_client_that_leaves_within_a_literal_leaves_nothing(imap: ImapHub) -> None:
    for size in (1000, 2 << 20):
        client = await imap.logged_in()
        client.write(b"a1 APPEND INBOX {%d+}\r\nSubject: half\r\n\r\n" % size + b"x" * (size // 2))
        await client.writer.drain()
        imap.ended.clear()
        await client.close()
        await imap.ended.wait()
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert await client.ok("SEARCH ALL") == [b"* SEARCH"]


async def test_an_account_over_its_quota_gets_no_more(imap: ImapHub) -> None:
    directory = cast(DirectoryAdmin, imap.kernel.services.directory)
    await directory.change_account(Address("bob", "example.test"), quota=1000)
    async with await imap.logged_in("bob") as client:
        await client.append("INBOX", b"x" * 900)
        refused = await client.command(b"APPEND INBOX {200+}\r\n" + b"x" * 200)
        assert refused == [b"NO [OVERQUOTA] The account is over its quota"]
        await client.append("INBOX", b"x" * 90)


async def test_nuls_are_stored_and_never_sent(imap: ImapHub) -> None:
    message = b"Subject: nul \x00 here\r\n\r\n\x00\x00"
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", message)
        lines = await client.ok("FETCH 1 (BODY.PEEK[] ENVELOPE)")
        assert b"\x00" not in b"".join(lines)
        assert message.replace(b"\x00", b"\x80") in lines[-1]


async def test_a_message_waits_while_too_many_octets_are_on_their_way_in(imap: ImapHub) -> None:
    budget = imap.kernel.budget
    async with await imap.logged_in() as client, await imap.logged_in() as other:
        budget.change(budget.limit)
        client.write(b"a1 APPEND INBOX {5}\r\n")
        while not budget._waiting:
            await asyncio.sleep(0)
        await other.ok("NOOP")
        budget.change(-budget.limit)
        assert (await client.line()).startswith(b"+ ")
        client.write(b"12")
        while not budget.held:
            await asyncio.sleep(0)
        client.write(b"345\r\n")
        assert (await client.line()).startswith(b"a1 OK [APPENDUID ")
        assert not budget.held


async def test_a_binary_part_is_kept_as_base64(imap: ImapHub) -> None:
    """RFC 3516 §4: what is stored is made of lines, whatever came."""
    head = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    label = b"Content-Transfer-Encoding: binary\r\n"
    for size in (100, 300 << 10):
        message = head + label + b"\r\n" + bytes(size)
        async with await imap.logged_in(mailbox="INBOX") as client:
            last = (await client.command(b"APPEND INBOX ~{%d+}\r\n%b" % (len(message), message)))[-1]
            assert last.startswith(b"OK [APPENDUID "), last
            (fetched,) = await client.ok("FETCH * BODY.PEEK[]")
            assert b"Content-Transfer-Encoding: base64\r\n" in fetched
            assert base64.b64decode(fetched.split(b"\r\n\r\n", 1)[1][:-1]) == bytes(size)


async def test_nul_outside_of_binary_parts_is_refused_and_else_nothing_changes(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        for message in (b"Subject: a\nbare\n\n", b"Subject: x\r\n\r\nlines\r\n"):
            await client.ok(b"APPEND INBOX ~{%d+}\r\n%b" % (len(message), message))
            (fetched,) = await client.ok("FETCH * BODY.PEEK[]")
            assert fetched.endswith(b"\r\n%b)" % message)
        refused = await client.command(b"APPEND INBOX ~{13+}\r\nSubject: \0\n\r\n")
        assert refused[-1].startswith(b"NO The message holds NUL and cannot be re-encoded: ")
