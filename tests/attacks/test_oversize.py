"""Lines that are too long: commands, logins, fields, bodies. Each is answered, none is kept in memory."""

from __future__ import annotations

import asyncio

import pytest

from hub.smtp.server import MAX_LINE, SmtpProtocol
from tests.attacks.conftest import Start, attack, rest

HUGE = 10_000_000


@pytest.mark.parametrize(
    "command",
    [
        b"NOOP ",
        b"EHLO ",
        b"HELP ",
        b"VRFY ",
        b"MAIL FROM:<a@",
        b'MAIL FROM:<"',
        b"RCPT TO:<",
        b"",
        b"AUTH PLAIN ",
    ],
    ids=repr,
)
async def test_command_line(start: Start, command: bytes) -> None:
    hub = await start()
    client = await attack(hub)
    for size in (MAX_LINE, 20_000, HUGE):
        sending = asyncio.create_task(client.send(command + b"x" * size + b"\r\n"))
        assert (await client.reply())[:5] in ("500 5", "502 5"), size
        await sending
    (server,) = hub.hub.kernel.connections._open
    assert isinstance(server, SmtpProtocol)
    assert len(server._buffer) == 0
    assert await client.ask("NOOP") == "250 2.0.0 OK"
    await client.close()


@pytest.mark.parametrize("size", [13_000, 100_000, HUGE])
async def test_login(start: Start, size: int) -> None:
    hub = await start()
    client = await attack(hub, "submission")
    await client.ask("EHLO attacker.example")
    assert await client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
    await client.send(b"A" * size + b"\r\n")
    assert (await client.reply()).startswith("500 5.5.6")
    assert (await client.ask("MAIL FROM:<alice@example.test>")).startswith("530")
    await client.close()


async def test_imap_command_and_login(start: Start) -> None:
    hub = await start()
    for line in (b"a LOGIN " + b"x" * HUGE, b"x" * HUGE, b'a LOGIN "' + b"\\\\" * HUGE):
        client = await attack(hub, "imap")
        sending = asyncio.create_task(client.send(line + b"\r\na NOOP\r\n"))
        assert b"BAD" in await client.reader.readline()
        assert (await client.reader.readline()).startswith(b"a OK")
        await sending
        await client.close()
    client = await attack(hub, "imap")
    await client.send(b"a LOGIN {4000000000}\r\n")
    assert b"+" not in (await client.reader.readline())[:1]
    await client.close()


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"Subject: " + b"x" * HUGE + b"\r\n\r\nbody", "554 5.6.0 The header block is larger"),
        (b"x" * HUGE + b": y\r\n\r\nbody", "250"),  # none that has a colon in time
        (b"Subject: hello\r\n\r\n" + b"x" * HUGE, "250"),
        (b"x" * HUGE, "250"),
        (b"Subject: hello\r\n\r\n" + b"." * HUGE, "250"),
    ],
    ids=["field", "name of a field", "body", "no header", "dots"],
)
async def test_line_of_a_message(start: Start, message: bytes, said: str) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    assert (await client.submit(message)).startswith(said)
    await client.close()


async def test_line_that_never_ends(start: Start) -> None:
    hub = await start(smtp={"max_size": 1_000_000})
    client = await attack(hub)
    for _ in range(200):
        await client.send(b"x" * 65536)
    await client.send(b"\r\n")
    assert (await client.reply()).startswith("500 5.5.6")
    await client.send(b"HELO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
    for _ in range(4):
        await client.reply()
    for _ in range(200):
        await client.send(b"x" * 65536)
    assert hub.hub.kernel.budget.held < 1_000_000
    await client.send(b"\r\n.\r\nQUIT\r\n")
    assert (await rest(client)).startswith(b"552 5.3.4")
    await client.close()
