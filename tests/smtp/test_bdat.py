"""BDAT: messages in counted chunks, however they arrive and whatever is in them."""

from __future__ import annotations

import asyncio
import itertools
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.config.tables.sessions import SmtpTable
from hub.hooks.markers import hookimpl
from hub.hooks.session import Session
from hub.loading.budget import Budget
from hub.mail.envelope import Envelope
from hub.services.blobs import StoreFull
from hub.smtp import replies
from hub.smtp.bdat import SMALL, Chunks
from hub.smtp.incoming import IN_MEMORY, PIECE
from hub.smtp.message import TRACE_CHUNK
from hub.smtp.replies import Reply
from tests.conftest import Client, MemoryBlobs, World, connected
from tests.smtp.test_incoming import whole

BEGIN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\n"
MESSAGE = b"Subject: hello\r\n\r\nbody\r\n.\r\nMAIL FROM:<x@y.example>\r\n.. still body\r\n"


async def begin(client: Client) -> None:
    """MAIL and RCPT."""
    await client.send(BEGIN)
    assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]


def chunk(octets: bytes, *, last: bool = False) -> bytes:
    """BDAT and its octets."""
    return b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b"") + octets


async def send(client: Client, octets: bytes, *, last: bool = False) -> str:
    """One chunk; gives the reply."""
    await client.send(chunk(octets, last=last))
    return await client.reply()


@pytest.mark.proves("mail: CHUNKING, so that nothing inside a message can end it")
async def test_message_in_one_chunk_is_kept_as_it_was_sent(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        assert (await send(client, MESSAGE, last=True)).startswith("250 2.0.0 delivered as ")
        assert await client.ask("NOOP") == "250 2.0.0 OK"
    assert world.message.endswith(MESSAGE)


async def test_chunks_are_answered_one_by_one(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        assert await send(client, MESSAGE[:5]) == "250 2.0.0 5 octets received"
        assert await send(client, b"") == "250 2.0.0 0 octets received"
        assert await client.ask("NOOP") == "250 2.0.0 OK"
        assert await send(client, MESSAGE[5:]) == f"250 2.0.0 {len(MESSAGE) - 5} octets received"
        assert (await send(client, b"", last=True)).startswith("250 2.0.0 delivered as ")
        assert (await client.ask("BDAT 0 LAST")) == "503 5.5.1 Say MAIL first"
    assert world.message.endswith(MESSAGE)


async def test_pipelined_chunks_are_all_answered(world: World) -> None:
    async with connected(await world.listen()) as client:
        pieces = [chunk(MESSAGE[i : i + 7]) for i in range(0, len(MESSAGE), 7)]
        await client.send(
            BEGIN + b"".join(pieces) + b"bdat 0 last\r\nNOOP\r\n" + BEGIN + chunk(MESSAGE, last=True)
        )
        heard = [await client.reply() for _ in range(2 + len(pieces) + 2 + 3)]
    assert all(reply.startswith("250") for reply in heard)
    assert len(world.storage.accepted) == 2
    for head, body, _ in world.blobs.blobs.values():
        assert (head + body).endswith(MESSAGE)


async def test_transaction_may_come_octet_by_octet(world: World) -> None:
    async with connected(await world.listen()) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in BEGIN + chunk(MESSAGE[:9]) + chunk(b"") + chunk(MESSAGE[9:], last=True) + b"NOOP\r\n":
            await client.send(bytes([octet]))
            await asyncio.sleep(0)
        assert [(await client.reply())[:3] for _ in range(6)] == ["250"] * 6
    assert world.message.endswith(MESSAGE)


@pytest.mark.parametrize("cut", range(0, 40, 3))
async def test_large_message_goes_to_disk_and_is_the_same(cut: int, world: World) -> None:
    message = b"Subject: large\r\n\r\n" + b"".join(b"%070d\r\n" % number for number in range(20_000))
    async with connected(await world.listen()) as client:
        await begin(client)
        first = IN_MEMORY + cut
        assert (await send(client, message[:first])).startswith("250")
        assert (await send(client, message[first : 3 * first])).startswith("250")
        assert (await send(client, message[3 * first :], last=True)).startswith("250")
    assert world.message.endswith(message)
    assert [spool.ended for spool in world.blobs.spools] == ["kept"]


@given(
    message=st.lists(st.sampled_from([b"\r\n", b".", b"a", b": ", b"\r\n.", b"zz" * 50]), max_size=30).map(
        b"".join
    ),
    edges=st.lists(st.integers(0, 400), max_size=5),
    reads=st.integers(1, 40),
)
@settings(max_examples=200, deadline=None)
async def test_any_cut_gives_the_same_message(message: bytes, edges: list[int], reads: int) -> None:
    budget = Budget()
    chunks = Chunks(MemoryBlobs(Path("/nonexistent")), 1 << 20, budget, binary=False)
    bounds = [0, *sorted(min(edge, len(message)) for edge in edges), len(message)]
    for start, end in itertools.pairwise(bounds):
        chunks.expect(end - start, is_last=end == len(message))
        buffer = bytearray()
        for at in range(start, end, reads):
            buffer += message[at : min(at + reads, end)]
            is_whole = chunks.take(buffer)
        assert chunks.take(buffer)
        assert not buffer
        assert end == start or is_whole
    got = whole(await chunks.finish(chunks.rest()))
    assert got.replace(b"\r\n", b"") == message.replace(b"\r\n", b"")  # an empty line may end the header
    assert budget.held == 0


@pytest.mark.parametrize(
    "line",
    [
        "BDAT",
        "BDAT LAST",
        "BDAT x",
        "BDAT -1",
        "BDAT 1 FIRST",
        "BDAT 1 LAST LAST",
        "BDAT 1e3",
        "BDAT " + "9" * 21,
    ],
)
async def test_chunk_of_unknown_size_closes_the_connection(line: str, world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        assert (await client.ask(line)).startswith("501 5.5.4 ")
        assert await client.reader.read() == b""


async def test_chunk_without_transaction_is_read_over(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.send(chunk(MESSAGE) + chunk(MESSAGE, last=True) + b"NOOP\r\n")
        assert [await client.reply() for _ in range(3)] == [
            "503 5.5.1 Say MAIL first",
            "503 5.5.1 Say MAIL first",
            "250 2.0.0 OK",
        ]
        await client.ask("MAIL FROM:<a@b.example>")
        await client.ask("RCPT TO:<nobody@example.test>")
        assert await send(client, MESSAGE) == "503 5.5.1 No recipient was accepted"
        assert await client.ask("RCPT TO:<bob@example.test>") == "250 2.1.5 OK"
        assert (await send(client, MESSAGE, last=True)).startswith("250")
    assert world.message.endswith(MESSAGE)


async def test_message_goes_on_as_it_began(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        await send(client, b"A: b\r\n")
        assert (await client.ask("DATA")).startswith("503 5.5.1 The message comes by BDAT")
        assert (await client.ask("RCPT TO:<alice@example.test>")).startswith("503 5.5.1 ")
        assert (await client.ask("MAIL FROM:<a@b.example>")).startswith("503 5.5.1 ")
        assert (await send(client, b"\r\nbody\r\n", last=True)).startswith("250")
    assert world.message.endswith(b"A: b\r\n\r\nbody\r\n")


async def test_rset_and_ehlo_forget_chunks(world: World) -> None:
    async with connected(await world.listen()) as client:
        large = b"A: b\r\n\r\n" + b"x" * (2 * IN_MEMORY)
        for command in ("RSET", "EHLO client.example"):
            await begin(client)
            assert (await send(client, b"Secret: yes\r\n" + large)).startswith("250")
            assert (await client.ask(command)).startswith("250")
            assert (await send(client, large, last=True)) == "503 5.5.1 Say MAIL first"
        await begin(client)
        assert (await send(client, MESSAGE, last=True)).startswith("250")
    assert world.message.endswith(MESSAGE)
    assert b"Secret" not in world.message
    assert [spool.ended for spool in world.blobs.spools] == ["discarded", "discarded"]


async def test_lost_connection_forgets_chunks(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        await send(client, b"A: b\r\n\r\n" + b"x" * (2 * IN_MEMORY))
        await client.send(b"BDAT 100\r\nonly this much")
    await world.kernel.connections.drain(10)
    assert world.storage.accepted == {}
    while world.blobs.spools[0].ended != "discarded":
        await asyncio.sleep(0)
    world.kernel.connections.draining = False


async def test_refused_message_is_refused_once_and_to_its_end(world: World) -> None:
    told: list[int] = []

    @hookimpl
    async def message_refused(session: Session, envelope: Envelope, code: int) -> None:
        told.append(code)

    world.plugins(message_refused)
    world.settings(smtp=SmtpTable(max_size=1000))
    async with connected(await world.listen()) as client:
        await client.send(BEGIN + chunk(b"A: b\r\n\r\n" + b"x" * 900) + chunk(b"y" * 900) + chunk(b"z"))
        heard = [await client.reply() for _ in range(5)]
        assert heard[2:] == [
            "250 2.0.0 908 octets received",
            "552 5.3.4 The message is larger than SIZE allows",
            "503 5.5.1 A chunk before this one was refused; RSET begins anew",
        ]
        assert (await send(client, b"", last=True)) == heard[4]
        await begin(client)  # the last chunk has ended the transaction
        assert (await send(client, b"x" * 1001, last=True)).startswith("552 5.3.4")
        await begin(client)
        assert (await send(client, (b"A: b\r\n\r\n" + b"x" * 1000)[:1000], last=True)).startswith("250")
    await world.told()
    assert told == [552, 552]
    assert world.blobs.spools == []


async def test_size_that_nobody_wants_is_read_over_without_being_held(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        size = 60_000_000
        await client.send(b"BDAT %d LAST\r\n" % size)
        for _ in range(60):
            await client.send(b"x" * (size // 60))
            assert world.kernel.budget.held <= PIECE
        assert (await client.reply()).startswith("552 5.3.4")
        assert await client.ask("NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("octets", [b"\n", b"\r", b"\r\r\n", b"\n.\r\n", b"\r.\r"])
async def test_line_end_of_another_kind_is_refused_as_after_data(octets: bytes, world: World) -> None:
    world.settings(smtp=SmtpTable(max_errors=1000))
    message = b"A: b\r\n\r\nbody" + octets + b"more\r\n"
    async with connected(await world.listen()) as client:
        for cut in range(len(message)):
            await begin(client)
            assert (await send(client, message[:cut])).startswith("250")
            assert await send(client, message[cut:], last=True) == (
                "550 5.6.0 The message has a CR or LF that stands alone; lines end in CR LF (RFC 5321 2.3.8)"
            )
            assert await client.ask("NOOP") == "250 2.0.0 OK"
    assert world.storage.accepted == {}


async def test_bare_line_feed_far_into_a_large_message_is_refused(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        sent = b"A: b\r\n\r\n" + b"x" * IN_MEMORY + b"\r\n" + b"y" * PIECE + b"\n" + b"z" * PIECE + b"\r\n"
        assert (await send(client, sent + sent, last=True)).startswith("550 5.6.0")
    assert {spool.ended for spool in world.blobs.spools} <= {"discarded"}  # if it came to one
    assert world.storage.accepted == {}


@pytest.mark.parametrize("error", [StoreFull("no space"), OSError("a broken disk")])
async def test_failing_disk_is_said_after_the_chunk(error: OSError, world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        world.blobs.failures.append(error)
        reply = await send(client, b"A: b\r\n\r\n" + b"x" * (4 * IN_MEMORY), last=True)
        assert reply[:3] == ("452" if isinstance(error, StoreFull) else "451")
        assert await client.ask("NOOP") == "250 2.0.0 OK"
        await begin(client)
        assert (await send(client, MESSAGE, last=True)).startswith("250")
    assert world.message.endswith(MESSAGE)


async def test_first_chunk_waits_for_room_and_others_do_not(world: World) -> None:
    world.kernel.budget.limit = 1000
    port = await world.listen()
    async with connected(port) as first, connected(port) as second:
        await begin(first)
        assert (await send(first, b"A: b\r\n\r\n" + b"x" * 1000)).startswith("250")
        await second.send(BEGIN + chunk(MESSAGE, last=True))
        while not world.kernel.budget._waiting:
            await asyncio.sleep(0)
        assert (await send(first, b"y" * PIECE, last=True)).startswith("250")
        assert [(await second.reply())[:3] for _ in range(3)] == ["250"] * 3
    assert len(world.blobs.spools) == 1


async def test_drain_lets_a_chunk_end(world: World) -> None:
    port = await world.listen()
    async with connected(port) as client:
        await begin(client)
        await client.send(b"BDAT 10 LAST\r\nA: b\r\n")
        while world.kernel.budget.held != 6:
            await asyncio.sleep(0)
        draining = asyncio.create_task(world.kernel.connections.drain(20))
        await asyncio.sleep(0)
        await client.send(b"\r\nxy")
        assert (await client.reply()).startswith("250 2.0.0 delivered")
        assert (await client.reply()).startswith("421")
        assert await draining == 0
    world.kernel.connections.draining = False


@pytest.mark.parametrize(
    ("message", "head", "body"),
    [(b"", b"\r\n", b""), (b"A: b", b"A: b\r\n\r\n", b""), (b"no field", b"\r\n", b"no field")],
)
async def test_message_without_a_final_line_end_has_a_header_block(
    message: bytes, head: bytes, body: bytes, tmp_path: Path
) -> None:
    chunks = Chunks(MemoryBlobs(tmp_path), 1000, Budget(), binary=False)
    chunks.expect(len(message), is_last=True)
    assert chunks.take(bytearray(message))
    content = await chunks.finish(chunks.rest())
    assert not isinstance(content, Reply)
    assert (content.head, content.body) == (head, body)


async def test_header_block_has_a_limit(tmp_path: Path) -> None:
    chunks = Chunks(MemoryBlobs(tmp_path), 1 << 30, Budget(), binary=False)
    message = b"A: b\r\n" * 50_000
    chunks.expect(len(message), is_last=True)
    assert chunks.take(bytearray(message))
    piece = chunks.take_piece()
    assert piece is not None
    await chunks.write(piece)
    assert await chunks.finish(chunks.rest()) == replies.HEAD_TOO_LARGE


async def test_tiny_chunks_are_commands_of_which_there_are_only_so_many(world: World) -> None:
    world.settings(smtp=SmtpTable(max_commands=10))
    async with connected(await world.listen()) as client:  # EHLO is the first of them
        await begin(client)
        for _ in range(9):
            assert (await send(client, b"A: b\r\n")).startswith("250")
        assert (await send(client, b"A: b\r\n" * SMALL)).startswith("250")
        assert (await send(client, b"")).startswith("421 4.7.0 Too many commands that bring no mail")
        assert await client.reader.read() == b""


async def test_message_of_many_chunks_does_not_hold_its_trace(world: World) -> None:
    async with connected(await world.listen()) as client:
        await begin(client)
        for _ in range(3 * TRACE_CHUNK):
            assert (await send(client, b"A: b\r\n\r\n" * 200)).startswith("250")
        (trace,) = world.kernel.sessions.values()
        assert len(trace) <= TRACE_CHUNK + 1
        assert len(world.records) >= 2 * TRACE_CHUNK
        await client.ask("RSET")
