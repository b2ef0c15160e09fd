"""Commands that take long say how far they have got (RFC 9585)."""

from __future__ import annotations

import asyncio

import pytest

from hub.imap import session as session_module
from hub.imap.connection import Connection
from hub.imap.output import Output
from tests.imap.conftest import ImapHub


async def test_progress_is_told_now_and_then_and_names_the_command(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await imap.logged_in() as client:
        (connection,) = imap.kernel.connections._open
        assert isinstance(connection, Connection)
        session = connection.session
        await client.ok("NOOP")
        for _ in range(20):
            await asyncio.sleep(0)
        await session.progress(1, 10)  # the command has only begun
        session._progress_at = 0.0
        await session.progress(2, 10)
        await session.progress(3, 10)  # that was told a moment ago
        assert await client.line() == b'* OK [INPROGRESS ("t2" 2 10)] Still at work'
        assert await client.ok("NOOP") == []
        monkeypatch.setattr(session_module, "PROGRESS_EVERY", 0.0)
        await session.progress(4, 10)
        session._progress_at = 0.0
        await session.progress(5, 10)
        assert await client.line() == b'* OK [INPROGRESS ("t3" 5 10)] Still at work'


@pytest.mark.parametrize(
    ("command", "method"),
    [
        ("SEARCH SMALLER 100", "columns"),
        ("UID SORT (SIZE) UTF-8 ALL", "columns"),
        ("THREAD REFERENCES UTF-8 ALL", "columns"),
        ("STORE 1 +FLAGS (\\Deleted)", "store_flags"),
        ("UID COPY 1 Archive", "copy"),
        ("MOVE 1 Archive", "move"),
        ("EXPUNGE", "expunge"),
    ],
)
async def test_a_command_that_is_one_piece_of_work_says_that_it_is_under_way(
    imap: ImapHub, monkeypatch: pytest.MonkeyPatch, command: str, method: str
) -> None:
    storage, told = imap.kernel.services.storage, asyncio.Event()
    real = getattr(storage, method)

    async def work(*args: object, **named: object) -> object:
        """As long as it takes the client to have heard of it twice."""
        await told.wait()
        return await real(*args, **named)

    async with await imap.logged_in() as client:
        await client.append("INBOX", b"Subject: x\r\n\r\ny")
        await client.ok("SELECT INBOX")
        monkeypatch.setattr(session_module, "PROGRESS_EVERY", 0.001)
        monkeypatch.setattr(storage, method, work)
        client.write(f"c {command}\r\n".encode())
        for _ in range(2):
            assert await client.line() == b'* OK [INPROGRESS ("c" NIL NIL)] Still at work'
        told.set()
        assert (await client.answer(b"c"))[-1].startswith(b"OK ")


async def test_nothing_is_said_within_a_response() -> None:
    out, between = Output(), []
    for piece in (b"* THREAD ", b"(1 2)", b"\r\n"):
        out.send(piece)
        between.append(out.is_between)
        out.flush()
        between.append(out.is_between)
    assert between == [False] * 4 + [True] * 2
