"""Commands that take long say how far they have got (RFC 9585)."""

from __future__ import annotations

import asyncio

import pytest

from hub.imap import session as session_module
from hub.imap.connection import Connection
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
