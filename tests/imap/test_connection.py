"""Connections: order, idleness, slow clients, and how they end."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from hub.imap.connection import WRITE_BUFFER, Connection
from hub.imap.input import MAX_LINE
from tests.imap.conftest import Client, ImapHub

MEGABYTE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 65536


def only_connection(hub: ImapHub) -> Connection:
    (connection,) = hub.kernel.connections._open
    return cast(Connection, connection)


async def settle(client: Client) -> None:
    """Return when the server has answered everything and waits."""
    await client.ok("NOOP")
    for _ in range(20):
        await asyncio.sleep(0)


async def test_pipelined_commands_are_answered_in_order(imap: ImapHub) -> None:
    async with await imap.client() as client:
        commands = [b"a0 LOGIN alice@example.test demo", b"a1 SELECT INBOX"]
        commands += [b"a%d APPEND INBOX {%d+}\r\n%b" % (n, n, b"x" * n) for n in range(2, 50)]
        commands += [b"a%d NOOP" % n for n in range(50, 500)]
        client.write(b"\r\n".join(commands) + b"\r\n")
        tags: list[bytes] = []
        while len(tags) < 500:
            line = await client.line()
            if not line.startswith(b"* "):
                assert b" OK " in line
                tags.append(line.split(b" ")[0])
        assert tags == [b"a%d" % n for n in range(500)]


async def test_a_client_that_has_said_all_gets_all_answers(imap: ImapHub) -> None:
    async with await imap.client() as client:
        client.write(b"a1 LOGIN alice@example.test demo\r\na2 SELECT INBOX\r\na3 NOOP\r\n")
        client.writer.write_eof()
        answers = await client.reader.read()
        assert b"\r\na3 OK" in answers


@pytest.mark.parametrize("state", ["fresh", "selected", "idling"])
async def test_a_silent_client_costs_no_task(imap: ImapHub, state: str) -> None:
    before = asyncio.all_tasks()
    async with await imap.client() as client:
        if state != "fresh":
            await client.ok("LOGIN alice@example.test demo")
            await client.ok("SELECT INBOX")
            await settle(client)
        if state == "idling":
            client.write(b"i1 IDLE\r\n")
            assert await client.line() == b"+ You will be told"
            for _ in range(20):
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


async def test_a_client_that_does_not_read_is_not_read(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", MEGABYTE * 4)
        await settle(client)
        connection = only_connection(imap)
        session = connection.session
        for number in range(8):
            client.write(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number)
        flood = b"".join(b"b%d NOOP\r\n" % number for number in range(60_000))
        client.write(flood)
        transport = connection._transport
        assert transport is not None
        while not (session.out.blocked and not transport.is_reading()):
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() <= 2 * WRITE_BUFFER
        assert len(session.input) <= 3 * MAX_LINE
        async with await imap.logged_in() as other:  # nobody else is held up
            await other.ok("NOOP")
        for number in range(8):
            assert (await client.answer(b"a%d" % number))[-1].startswith(b"OK")
        assert (await client.answer(b"b59999"))[-1].startswith(b"OK")


async def test_a_client_that_leaves_within_a_long_answer_is_forgotten(imap: ImapHub) -> None:
    client = await imap.logged_in(mailbox="INBOX")
    await client.append("INBOX", MEGABYTE * 4)
    client.write(b"a1 FETCH 1 BODY.PEEK[]\r\n" * 10)
    await client.reader.readexactly(1 << 20)
    client.writer.transport.abort()
    async with asyncio.timeout(10):
        await imap.ended.wait()
    assert not len(imap.kernel.connections)
    assert not imap.kernel.sessions


async def test_a_silent_client_is_told_before_it_is_left(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await settle(client)
        connection = only_connection(imap)
        assert connection.deadline > asyncio.get_running_loop().time() + 1700
        connection.deadline = 0
        imap.kernel.connections.sweep()
        assert (await client.line()).startswith(b"* BYE ")
        assert await client.line() == b""


async def test_a_client_that_stops_within_a_literal_is_told_before_it_is_left(imap: ImapHub) -> None:
    async with await imap.logged_in() as client:
        await settle(client)
        client.write(b"a1 APPEND INBOX {100}\r\n")
        assert (await client.line()).startswith(b"+ ")
        client.write(b"half")
        connection = only_connection(imap)
        while not connection.session.input.awaited:
            await asyncio.sleep(0)
        connection.deadline = 0
        imap.kernel.connections.sweep()
        assert (await client.line()).startswith(b"* BYE ")
        assert await client.line() == b""


async def test_a_client_that_never_reads_is_cut_off(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", MEGABYTE * 4)
        client.write(b"a1 FETCH 1 BODY.PEEK[]\r\n" * 10)
        connection = only_connection(imap)
        while not connection.session.out.blocked:
            await asyncio.sleep(0)
        connection.deadline = 0
        imap.kernel.connections.sweep()
        await imap.ended.wait()
        assert not len(imap.kernel.connections)


async def test_draining_says_bye_to_those_who_wait_and_to_those_who_work(imap: ImapHub) -> None:
    waiting = await imap.logged_in(mailbox="INBOX")
    idling = await imap.logged_in(mailbox="INBOX")
    idling.write(b"i1 IDLE\r\n")
    assert (await idling.line()).startswith(b"+ ")
    working = await imap.logged_in()
    working.write(b"a1 APPEND INBOX {4+}\r\nmo")
    await working.writer.drain()
    sessions = [cast(Connection, each).session for each in imap.kernel.connections._open]
    while not any(session.input.awaited for session in sessions):
        await asyncio.sleep(0)
    drained = asyncio.create_task(imap.kernel.connections.drain(20))
    for client in (waiting, idling):
        assert (await client.line()).startswith(b"* BYE ")
        assert await client.line() == b""
        await client.close()
    working.write(b"re\r\na2 NOOP\r\n")
    assert (await working.line()).startswith(b"a1 OK [APPENDUID ")
    assert (await working.line()).startswith(b"* BYE ")
    assert await working.line() == b""
    await working.close()
    assert await drained == 0
