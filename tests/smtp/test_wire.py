"""Bursts, silence, slow readers, lost connections: what happens around the commands."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import pytest

from hub.config.tables.sessions import SmtpTable
from hub.hooks.markers import hookimpl
from hub.loading.budget import Budget
from hub.mail.address import Address
from hub.mail.message import Message
from hub.mail.verdict import Finding, Verdict
from hub.services.blobs import StoreFull
from hub.smtp.incoming import IN_MEMORY
from hub.smtp.server import SmtpProtocol
from hub.smtp.wire import MAX_BUFFER
from tests.conftest import Client, World, connected

MAIL = b"Subject: hello\r\n\r\nbody"
TRANSACTION = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"


def protocol(world: World) -> SmtpProtocol:
    """The server's side of the only connection."""
    (found,) = world.kernel.connections._open
    assert isinstance(found, SmtpProtocol)
    return found


def reset(client: Client) -> None:
    """End a connection as a machine that has crashed and comes back does."""
    linger = struct.pack("ii", 1, 0)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.writer.transport.abort()


async def test_burst_is_answered_in_one_write(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.send(b"NOOP\r\n" + TRANSACTION)
        assert (await client.reader.read(65536)).count(b"\r\n") == 4
        await client.send(MAIL + b"\r\n.\r\n" + TRANSACTION.replace(b"DATA", b"RSET"))
        assert (await client.reader.read(65536)).count(b"\r\n") == 4


async def test_commands_may_come_octet_by_octet(world: World) -> None:
    async with connected(await world.listen()) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = TRANSACTION + MAIL + b"\r\n.\r\n"
        for octet in sent:
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "354", "250"]


async def test_idle_connection_has_no_task(world: World) -> None:
    before = asyncio.all_tasks()
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<bob@example.test>")
        assert not protocol(world)._is_busy
        assert asyncio.all_tasks() == before


async def test_line_that_never_ends_costs_no_memory(world: World) -> None:
    async with connected(await world.listen()) as client:
        for _ in range(50):
            await client.send(b"x" * 10_000)
        assert await client.ask("NOOP") == "500 5.5.6 The line is too long"
        assert len(protocol(world)._buffer) == 0
        assert await client.ask("NOOP") == "250 2.0.0 OK"
        assert await client.ask("NOOP " + "x" * 2043) == "250 2.0.0 OK"
        assert await client.ask("NOOP " + "x" * 2044) == "500 5.5.6 The line is too long"


async def test_reading_pauses_while_a_command_runs(world: World) -> None:
    world.settings(smtp=SmtpTable(max_commands=1_000_000))
    gate = asyncio.Event()

    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        await gate.wait()
        return None

    world.plugins(smtp_rcpt)
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        await client.send(b"RCPT TO:<bob@example.test>\r\n")
        noops = 400_000
        sending = asyncio.create_task(client.send(b"NOOP\r\n" * noops))
        server = protocol(world)
        while not server._is_paused:
            await asyncio.sleep(0)
        assert len(server._buffer) <= 2 * MAX_BUFFER + 256 * 1024
        gate.set()
        assert (await client.reply()).startswith("250 2.1.5")
        for _ in range(noops):
            assert await client.reader.readline() == b"250 2.0.0 OK\r\n"
        await sending


async def test_client_that_does_not_read_is_not_written_to(world: World) -> None:
    world.settings(smtp=SmtpTable(max_commands=1_000_000_000))
    port = await world.listen()
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while not len(world.kernel.connections):
        await asyncio.sleep(0)
    server = protocol(world)

    async def flood() -> None:
        if writer.transport.get_write_buffer_size() == 0:
            writer.write(b"HELP\r\n" * 10_000)
        await asyncio.sleep(0)

    while not server._slow:
        await flood()
    assert len(server._out) + server._transport.get_write_buffer_size() <= 4 * MAX_BUFFER
    while not server._is_paused:
        await flood()
    assert len(server._buffer) <= 2 * 256 * 1024  # what was read before, and once more
    server.look(server.deadline + 1)  # it does not get to read why, for it does not read
    await world.kernel.connections.drain(10)
    assert len(world.kernel.connections) == 0
    world.kernel.connections.draining = False
    writer.transport.abort()


async def test_client_that_reads_slowly_gets_every_answer(world: World) -> None:
    world.settings(smtp=SmtpTable(max_commands=1_000_000_000))
    async with connected(await world.listen()) as client:
        transport = client.writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]
        server, asked = protocol(world), 0
        while not server._slow:  # what lies between us takes a few megabytes
            if len(server._buffer) < 1000:  # it has answered nearly all of them
                client.writer.write(b"HELP\r\n" * 1000)
                asked += 1000
            await asyncio.sleep(0)
        transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(asked):
            assert (await client.reply()).startswith("214")
        assert not server._slow


async def test_silent_client_is_told_and_closed(world: World) -> None:
    world.settings(smtp=SmtpTable(timeout=100))
    async with connected(await world.listen()) as client:
        world.kernel.connections.sweep()
        assert await client.ask("NOOP") == "250 2.0.0 OK"
        protocol(world).deadline -= 101
        world.kernel.connections.sweep()
        assert await client.reply() == "421 4.4.2 Nothing heard for too long; closing the connection"
        assert await client.reader.read() == b""


async def test_client_is_not_silent_while_we_are_at_work(world: World) -> None:
    world.storage.gate.clear()
    async with connected(await world.listen()) as client:
        await client.send(TRANSACTION + MAIL + b"\r\n.\r\n")
        await world.storage.entered.wait()
        protocol(world).deadline -= 1000
        world.kernel.connections.sweep()
        world.storage.gate.set()
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "354", "250"]
        world.kernel.connections.sweep()
        assert await client.ask("NOOP") == "250 2.0.0 OK"


async def test_drain_lets_messages_end_and_closes_the_rest(world: World) -> None:
    port = await world.listen()
    async with connected(port) as idle, connected(port) as sending:
        await sending.send(TRANSACTION)
        assert [(await sending.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
        draining = asyncio.create_task(world.kernel.connections.drain(20))
        assert (await idle.reply()).startswith("421 4.3.2")
        assert await idle.reader.read() == b""
        await sending.send(MAIL + b"\r\n.\r\nNOOP\r\n")
        assert (await sending.reply()).startswith("250 2.0.0 delivered")
        assert (await sending.reply()).startswith("421 4.3.2")
        assert await draining == 0
        late = Client(*await asyncio.open_connection("127.0.0.1", port))
        assert (await late.reply()).startswith("421 4.3.2")
        assert await late.reader.read() == b""
        await late.close()


async def test_half_closed_connection_gets_its_answers(world: World) -> None:
    client = Client(*await asyncio.open_connection("127.0.0.1", await world.listen()))
    await client.send(b"HELO c.example\r\n" + TRANSACTION + MAIL + b"\r\n.\r\nQUIT\r\n")
    client.writer.write_eof()
    answers = (await client.reader.read()).decode().splitlines()
    assert [answer[:3] for answer in answers] == ["220", "250", "250", "250", "354", "250", "221"]
    assert len(world.storage.accepted) == 1
    await client.close()


async def test_half_closed_connection_gets_the_answer_of_a_commit_under_way(world: World) -> None:
    world.storage.gate.clear()
    async with connected(await world.listen()) as client:
        server = protocol(world)
        await client.send(TRANSACTION + MAIL + b"\r\n.\r\nNOOP\r\n")
        client.writer.write_eof()
        while not server._eof:
            await asyncio.sleep(0)
        world.storage.gate.set()
        answers = (await client.reader.read()).decode().splitlines()
        assert [answer[:3] for answer in answers] == ["250", "250", "354", "250", "250"]


async def test_message_that_is_cut_off_is_not_accepted(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.send(TRANSACTION + b"x" * (IN_MEMORY + 100_000) + b"\r\n.\r")
        for _ in range(3):
            await client.reply()
        while not world.blobs.spools:
            await asyncio.sleep(0)
    await world.kernel.connections.drain(5)
    while not world.blobs.spools[0].ended:
        await asyncio.sleep(0)
    assert world.blobs.spools[0].ended == "discarded"
    assert not world.storage.accepted


async def test_commit_ends_although_the_client_is_gone(world: World) -> None:
    world.storage.gate.clear()
    port = await world.listen()
    async with connected(port) as client:
        await client.send(TRANSACTION + MAIL + b"\r\n.\r\n" + TRANSACTION + MAIL + b"\r\n.\r\n")
        await world.storage.entered.wait()
        server = protocol(world)
        reset(client)
        while not server._is_lost:
            await asyncio.sleep(0)
    assert not world.storage.accepted
    world.storage.gate.set()
    while len(world.kernel.connections):
        await asyncio.sleep(0)
    assert len(world.storage.accepted) == 1  # and not the second one, which nobody was asked to begin


async def test_commit_of_unknown_outcome_is_looked_up(world: World) -> None:
    world.storage.failures.append(ConnectionError("the database went away"))
    async with connected(await world.listen()) as client:
        assert (await client.submit(MAIL)).startswith("250 2.0.0 delivered")
    assert len(world.storage.accepted) == 1


@pytest.mark.parametrize(
    ("failure", "reply"), [(StoreFull("no space"), "452 4.3.1"), (OSError("broken disk"), "451 4.3.0")]
)
async def test_store_that_cannot_keep_a_message_says_so(world: World, failure: OSError, reply: str) -> None:
    async with connected(await world.listen()) as client:
        world.blobs.failures.append(failure)
        assert (await client.submit(MAIL)).startswith(reply)
        assert (await client.submit(MAIL)).startswith("250")


async def test_size_is_announced_and_enforced(world: World) -> None:
    world.settings(smtp=SmtpTable(max_size=1000))
    async with connected(await world.listen()) as client:
        assert "SIZE 1000" in await client.ask("EHLO c.example")
        assert (await client.submit(b"A: b\r\n\r\n" + b"x" * 990)).startswith("250")
        assert (await client.submit(b"A: b\r\n\r\n" + b"x" * 991)).startswith("552 5.3.4")
        assert (await client.submit(b"A: b\r\n\r\n" + b"x" * 9_000_000)).startswith("552 5.3.4")
        assert (await client.submit(MAIL)).startswith("250")
    assert all(spool.ended == "discarded" for spool in world.blobs.spools)


async def test_recipients_have_a_limit(world: World) -> None:
    world.settings(smtp=SmtpTable(max_recipients=100))
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example>")
        for number in range(100):
            assert (await client.ask(f"RCPT TO:<bob+{number}@example.test>")).startswith("250")
        assert (await client.ask("RCPT TO:<alice@example.test>")).startswith("452 4.5.3")
        await client.ask("DATA")
        await client.send(MAIL + b"\r\n.\r\n")
        assert (await client.reply()).startswith("250")
    (acceptance,) = world.storage.accepted.values()
    assert len(acceptance.deliveries) == 1  # all of them are bob
    assert b"for <" not in world.message


async def test_new_message_waits_while_the_budget_is_spent(world: World) -> None:
    world.kernel.budget = Budget(limit=50_000)
    port = await world.listen()
    async with connected(port) as first, connected(port) as second:
        await first.send(TRANSACTION)
        assert [(await first.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
        await first.send(b"A: b\r\n\r\n" + b"x" * 50_000)
        while not world.kernel.budget.spent:
            await asyncio.sleep(0)
        await second.send(TRANSACTION)
        while not world.kernel.budget._waiting:
            await asyncio.sleep(0)
        await first.send(b"\r\n.\r\n")
        assert (await first.reply()).startswith("250")
        assert [(await second.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
        await second.send(MAIL + b"\r\n.\r\n")
        assert (await second.reply()).startswith("250")
    assert world.blobs.spools == []


async def test_many_clients_at_once_each_get_their_own_answer(world: World) -> None:
    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        await asyncio.sleep(0)
        return Finding(headers=(("X-Subject", message.headers.get("Subject") or ""),))

    world.plugins(check_message)
    port = await world.listen()

    async def one(number: int) -> None:
        async with connected(port) as client:
            for turn in range(5):
                reply = await client.submit(f"Subject: {number}-{turn}\r\n\r\n{number}-{turn}".encode())
                acceptance = world.storage.accepted[reply.rpartition(" ")[2]]
                head, body, recovery = world.blobs.blobs[acceptance.blob]
                assert f"X-Subject: {number}-{turn}\r\n".encode() in head
                assert body == f"{number}-{turn}\r\n".encode()
                assert json.loads(recovery)["id"] == acceptance.id

    await asyncio.gather(*[one(number) for number in range(30)])
    assert len(world.storage.accepted) == 150


async def test_long_session_writes_its_trace_in_chunks(world: World) -> None:
    async with connected(await world.listen()) as client:
        for _ in range(40):
            await client.submit(MAIL)
        assert len(world.records) > 200
        assert len(world.kernel.sessions) == 1
