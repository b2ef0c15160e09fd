"""What a client may take: sessions, commands, messages, time and octets per second, each with its reply."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.tables.sessions import SmtpTable
from hub.smtp import replies
from hub.smtp.incoming import Incoming
from hub.smtp.limits import Pace, paced
from hub.smtp.server import SmtpProtocol
from tests.conftest import Client, MemoryBlobs, World, connected

TRANSACTION = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"


def protocols(world: World) -> list[SmtpProtocol]:
    return [each for each in world.kernel.connections._open if isinstance(each, SmtpProtocol)]


def later(world: World, seconds: float) -> None:
    """Let everybody look at the clock, which has gone on."""
    now = asyncio.get_running_loop().time() + seconds
    for each in protocols(world):
        each.look(now)


async def opened(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def test_sessions_of_an_address_have_a_limit(world: World) -> None:
    world.settings(smtp=SmtpTable(max_sessions_per_address=2, exempt=()))
    port = await world.listen()
    first, second, third = [await opened(port) for _ in range(3)]
    assert [(await each.reply())[:3] for each in (first, second)] == ["220", "220"]
    assert await third.reply() == "421 4.7.0 Too many sessions from your address; close some of them"
    assert await third.reader.read() == b""
    assert (await first.ask("QUIT")).startswith("221")
    assert await first.reader.read() == b""
    fourth = await opened(port)
    assert (await fourth.reply()).startswith("220")
    for each in (first, second, third, fourth):
        await each.close()


async def test_sessions_have_a_limit_in_total(world: World) -> None:
    world.settings(smtp=SmtpTable(max_sessions=1))
    port = await world.listen()
    async with connected(port):
        late = await opened(port)
        assert await late.reply() == "421 4.3.2 Too many sessions here now; try again later"
        await late.close()


async def test_commands_that_bring_no_mail_have_a_limit(world: World) -> None:
    world.settings(smtp=SmtpTable(max_commands=4))
    async with connected(await world.listen()) as client:  # EHLO is the first one
        for command in ("NOOP", "RSET"):
            assert (await client.ask(command)).startswith("250")
        assert (await client.submit(b"A: b\r\n\r\n")).startswith("250")  # earns four more
        for command in ("VRFY x", "HELP", "NOOP", "NOOP", "NOOP"):
            assert (await client.ask(command))[0] == "2"
        said = await client.ask("NOOP")
        assert said == "421 4.7.0 Too many commands that bring no mail; closing the connection"
        assert await client.reader.read() == b""


async def test_messages_of_a_session_have_a_limit(world: World) -> None:
    world.settings(smtp=SmtpTable(max_messages=2))
    async with connected(await world.listen()) as client:
        await client.submit(b"A: b\r\n\r\n")
        assert (await client.submit(b"A: b\r\n\r\n")).startswith("250 2.0.0 delivered")
        assert await client.reply() == "421 4.7.0 Enough messages for one session; connect again for more"
        assert await client.reader.read() == b""
    assert len(world.storage.accepted) == 2


async def test_greeting_is_waited_for_as_long_as_it_says(world: World) -> None:
    world.settings(smtp=SmtpTable(greeting_timeout=10))
    client = await opened(await world.listen())
    await client.reply()
    later(world, 9)
    await client.ask("NOOP")
    await client.send(b"EHL")  # a part of a command is none
    while not protocols(world)[0]._buffer:
        await asyncio.sleep(0)
    later(world, 11)
    assert (await client.reply()).startswith("421 4.4.2")
    assert await client.reader.read() == b""
    await client.close()


async def test_command_that_drips_in_does_not_gain_time(world: World) -> None:
    world.settings(smtp=SmtpTable(timeout=10))
    async with connected(await world.listen()) as client:
        (server,) = protocols(world)
        deadline = server.deadline
        for octet in b"NOOP":
            await client.send(bytes([octet]))
            while octet not in server._buffer:
                await asyncio.sleep(0)
        assert server.deadline == deadline
        assert (await client.ask("")).startswith("250")
        assert server.deadline > deadline
        later(world, 11)
        assert (await client.reply()).startswith("421 4.4.2 Nothing heard")


async def test_session_ends_after_its_time_even_in_a_message(world: World) -> None:
    world.settings(smtp=SmtpTable(session_timeout=1000, timeout=5000))
    async with connected(await world.listen()) as client:
        await client.send(TRANSACTION)
        for _ in range(3):
            await client.reply()
        later(world, 999)
        later(world, 1001)
        assert await client.reply() == "421 4.4.2 This session has lasted for too long; connect again"
        assert await client.reader.read() == b""
    assert not world.storage.accepted


@pytest.mark.proves("mail: whoever drips a message in octet by octet is told to come back when faster")
@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 1000000\r\n"])
async def test_message_that_drips_in_is_given_up(world: World, command: bytes) -> None:
    world.settings(smtp=SmtpTable(timeout=300, min_rate=100))
    async with connected(await world.listen()) as client:
        await client.send(TRANSACTION.replace(b"DATA\r\n", command))
        for _ in range(3 if command.startswith(b"DATA") else 2):
            await client.reply()
        (server,) = protocols(world)
        now, seconds = asyncio.get_running_loop().time(), 0
        for seconds in range(0, 1000, 5):
            if server._dialogue.state.name == "CLOSING":
                break
            await client.send(b"x" * 5)  # one octet per second
            came = server._dialogue.incoming
            assert came is not None
            while came.came(len(server._buffer)) < 5 * (seconds // 5 + 1):
                await asyncio.sleep(0)
            server.look(now + seconds)
        assert 300 <= seconds <= 320
        assert await client.reply() == "421 4.4.2 The message comes in too slowly; closing the connection"


def test_pace_is_a_matter_of_patience(tmp_path: Path) -> None:
    settings = SmtpTable(timeout=100, min_rate=10)
    incoming = Incoming(MemoryBlobs(tmp_path), 1000, bytearray())
    pace = paced(None, incoming, 0, 0.0, settings)
    assert pace.patience == 100
    pace = paced(pace, incoming, 0, 60.0, settings)
    assert pace.patience == 40  # a pause
    pace = paced(pace, incoming, 300, 90.0, settings)
    assert pace.patience == 40  # just fast enough
    pace = paced(pace, incoming, 100_000, 95.0, settings)
    assert pace.patience == 95  # who is fast earns it back, and no more
    pace = paced(pace, incoming, 100_000, 191.0, settings)
    assert pace.patience < 0
    other = Incoming(MemoryBlobs(tmp_path), 1000, bytearray())
    assert paced(pace, other, 0, 200.0, settings) == Pace(other, 0, 200.0, 100)


async def test_pause_of_ours_is_not_the_clients(world: World) -> None:
    """While we write to disk, nobody looks."""
    world.settings(smtp=SmtpTable(timeout=10, min_rate=100))
    world.storage.gate.clear()
    async with connected(await world.listen()) as client:
        await client.send(TRANSACTION + b"A: b\r\n\r\nbody\r\n.\r\n")
        await world.storage.entered.wait()
        later(world, 10_000)
        world.storage.gate.set()
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "354", "250"]


@pytest.mark.parametrize(
    "lines", [b"", b"short\r\n" * 20_000, b"x" * 998 + b"\r\n" * 3, b"y" * 998 + b"\r\n"]
)
@pytest.mark.parametrize(("length", "code"), [(997, "250"), (998, "250"), (999, "554"), (300_000, "554")])
async def test_line_of_a_message_has_a_limit_where_one_is_set(
    world: World, lines: bytes, length: int, code: str
) -> None:
    world.settings(smtp=SmtpTable(max_line=998))
    message = b"Subject: lines\r\n\r\n" + lines + b"z" * length + b"\r\n" + lines
    async with connected(await world.listen()) as client:
        said = await client.submit(message)
        assert said.startswith(code), said
        await client.send(TRANSACTION.replace(b"DATA\r\n", b"BDAT %d LAST\r\n" % len(message)) + message)
        said = [await client.reply() for _ in range(3)][-1]
        assert said.startswith(code), said
        if code == "554":
            assert said == "554 5.6.0 A line of the message is longer than is taken here"


@given(
    lengths=st.lists(st.integers(0, 30), max_size=20),
    cuts=st.lists(st.integers(0, 500), max_size=6),
    limit=st.integers(1, 30),
)
def test_lines_are_measured_wherever_a_piece_ends(lengths: list[int], cuts: list[int], limit: int) -> None:
    message = b"".join(b"x" * length + b"\r\n" for length in lengths)
    edges = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    incoming = Incoming(MemoryBlobs(Path("/nonexistent")), 1000, bytearray(), limit)
    for start, end in itertools.pairwise(edges):
        incoming._measure(message[start:end])
    is_refused = incoming.refusal is replies.MESSAGE_LINE_TOO_LONG
    assert is_refused == any(length > limit for length in lengths)
