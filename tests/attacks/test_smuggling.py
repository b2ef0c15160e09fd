"""Two messages in one: no octets but CR LF dot CR LF end a message, and none but CR LF a line."""

from __future__ import annotations

import asyncio

import pytest

from tests.attacks.conftest import Start, attack, rest

SMUGGLED = (
    b"MAIL FROM:<ceo@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
    b"Subject: smuggled\r\n\r\npay at once\r\n.\r\n"
)
ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\n.\r\r\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0\r\n.\n", b"\n\0.\n", b"\r\n.\r\0\n", b"\r\0\n.\r\n", b"\r\n. \r\n",
    b"\r\n.\t\r\n", b"\r\n..\r\n", b"\n\n.\n\n", b"\r\n.\x0b\n", b"\x85.\x85", b"\xe2\x80\xa8.\xe2\x80\xa8",
    b"\r\n.\x85", b"\x0c.\x0c",
]  # fmt: skip


@pytest.mark.parametrize("pause", [False, True], ids=["in one packet", "in two packets"])
async def test_no_other_end_of_a_message(start: Start, pause: bool) -> None:
    hub = await start(smtp={"max_errors": 1000})
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    for end in ENDS:
        await client.send(b"MAIL FROM:<a@attacker.example>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "354"]
        await client.send(b"Subject: harmless\r\n\r\nhello" + end)
        if pause:
            await asyncio.sleep(0)
        await client.send(SMUGGLED + b"NOOP\r\n")
        said = await client.reply()  # one reply for all of it: the message is refused, or has it as text
        assert said[:3] in ("250", "550"), (end, said)
        assert await client.reply() == "250 2.0.0 OK", end
    await client.close()
    assert await hub.mailbox() == []
    for message in await hub.mailbox(user="bob@example.test"):
        assert message.count(b"Return-Path") == 1
        assert b"Return-Path: <a@attacker.example>" in message
        lines = message.replace(b"\r\n", b"")
        assert b"\r" not in lines  # so that nobody behind us reads two messages
        assert b"\n" not in lines


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\0\r\n", b"\r\r\n", b"\r\0\n"])
async def test_no_other_end_of_a_command(start: Start, end: bytes) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    await client.send(b"MAIL FROM:<a@attacker.example>" + end + b"QUIT\r\n")
    said = (await rest(client) if end[-1:] == b"\n" else (await client.reply()).encode()).splitlines()
    assert said[0].startswith(b"500 5.5.2 A command ends in CR LF"), said
    await client.close()
    assert [trace for trace in hub.hub.kernel.sessions.values() if trace.message] == []
