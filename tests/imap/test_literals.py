"""Literals of commands that are refused, or never whole (RFC 7888 §4): what comes next is understood."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from hub.imap.input import MAX_LINE
from tests.imap.conftest import ImapHub

TOO_LARGE = MAX_LINE + 1


@pytest.mark.parametrize(
    "command",
    [
        b"SEARCH SUBJECT {%d+}\r\n%b",
        b"SEARCH OR SUBJECT {%d+}\r\n%b SUBJECT {6+}\r\nc NOOP",
        b"NOSUCH {%d+}\r\n%b {0+}\r\n",
        b"FETCH 1 {%d+}\r\n%b",
    ],
)
async def test_what_need_not_be_waited_for_is_read_over_to_its_end(imap: ImapHub, command: bytes) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        answer = await client.command(command % (TOO_LARGE, b"a NOOP\r\n" * (TOO_LARGE // 8) + b"x"))
        assert len(answer) == 1
        assert answer[0].startswith(b"BAD ")
        assert await client.ok("NOOP") == []


async def test_what_is_waited_for_is_not_invited(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert await client.command(b"SEARCH SUBJECT {%d}" % TOO_LARGE) == [
            b"BAD A literal of %d octets is too large for this command" % TOO_LARGE
        ]
        client.write(b"b SEARCH OR SUBJECT {3}\r\n")
        assert await client.line() == b"+ Ready for the literal"
        client.write(b"abc SUBJECT {%d}\r\n" % TOO_LARGE)
        assert (await client.line()).startswith(b"b BAD A literal of ")
        assert await client.ok("NOOP") == []


async def test_a_message_too_large_is_read_over_and_what_is_behind_it_understood(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        limit = imap.kernel.settings.imap.max_literal
        head = b"APPEND INBOX {%d+}\r\n" % (limit + 1)
        client.write(b"a " + head)
        for _ in range(limit // 500_000):
            client.write(b"z NOOP\r\n" * 62_500)
        client.write(b"x" * (limit % 500_000 + 1) + b"\r\n")
        assert (await client.answer(b"a"))[-1].startswith(b"NO [TOOBIG] ")
        assert await client.ok("STATUS INBOX (MESSAGES)") == [b"* STATUS INBOX (MESSAGES 0)"]


@pytest.mark.parametrize(
    "half", [b"a SEARCH OR SUBJECT {3+}\r\nabc SUBJECT {5+}\r\nab", b"a SEARCH SUBJECT {3+}\r\n"]
)
async def test_who_leaves_within_a_command_has_said_nothing(imap: ImapHub, half: bytes) -> None:
    with capture_logs() as logs:
        async with await imap.logged_in(mailbox="INBOX") as client:
            client.write(half)
            client.writer.write_eof()
            async with asyncio.timeout(20):
                assert await client.reader.read() == b""
                await imap.ended.wait()
    assert [each for each in logs if each["log_level"] == "error"] == []
