"""Traps for whoever reads addresses: each gets one clear answer, nothing turns into something else."""

from __future__ import annotations

import time

import pytest

from tests.attacks.conftest import Start, attack

REFUSED = [
    b"", b"<", b">", b"><", b"<<", b"<<>>", b"<@>", b"<a@>", b"<@b>", b"<a>", b"a@b.example",
    b"<a@b.example", b"a@b.example>", b"<a@b.example>>", b"<a@b.example><c@d.example>", b"<a@@b.example>",
    b"<a b@c.example>", b"<a@b..example>", b"<.a@b.example>", b"<a.@b.example>", b"<a..b@c.example>",
    b"<a@-b.example>", b'<"a@b.example>', b'<"a\\"@b.example>', b'<a"b"@c.example>', b'<"a"b@c.example>',
    b'<"\x01"@b.example>', b"<a\x7f@b.example>", b"<a@b.example\x00>", b"<a\x00@b.example>",
    b"<a\t@b.example>", b"<a@b.example,c@d.example>", b"<a;b@c.example>", b"<@a.example:>",
    b"<@a.example,@b.example>", b"<@a.example,b@c.example>", b"<@:a@b.example>", b"<a@[1.2.3]>",
    b"<a@[256.1.1.1]>", b"<a@[127.0.0.1>", b"<a@127.0.0.1]>", b"<a@[IPv6:::1%eth0]>", b"<a@[IPv6:1.2.3.4]>",
    b"<a@[]>", b"<a@[x:y]>", "<zoë@example.test>".encode(), b"<a@\xff\xfe.example>",
    b"<\xc3\x28@b.example>", b"<a@b.example>x", b"<" + b"a" * 65 + b"@b.example>",
    b"<a@" + b"b" * 64 + b".example>", b"<a@" + b"b." * 128 + b"c>", b"<a@b.example> SIZE=-1",
    b"<a@b.example> SIZE=1 SIZE=2", b"<a@b.example> =x", b"<a@b.example> X\xff=1", b"<a@b.example> BODY=",
    b"<a@b.example> AUTH=<>\x00", b"<" * 1000, b"<" + b"@a.example," * 150 + b":a@b.example>",
    b"<" + b'"' * 1000, b"<" + b"\\" * 1000 + b">", b"<" + b"a." * 900 + b">",
    b"<%s@b.example>" % (b'"' + b"\\" * 999),
]  # fmt: skip
SENDERS = [
    b"<>", b"<a@b.example>", b"<@one.example,@two.example:a@b.example>", b'<"a b"@c.example>',
    b'<"<>"@c.example>', b'<"a@b"@c.example>', b"<a@[192.0.2.1]>", b"<a@[IPv6:2001:db8::1]>",
    b"<postmaster>", b"<a+b=c/d@e.example>", b'<"\\""@b.example>', b"<A@B.EXAMPLE>",
]  # fmt: skip


@pytest.mark.parametrize("verb", [b"MAIL FROM:", b"RCPT TO:"])
async def test_what_is_no_address_is_refused(start: Start, verb: bytes) -> None:
    hub = await start(smtp={"max_errors": 10_000, "max_commands": 10_000})
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    for trap in REFUSED:
        if verb == b"RCPT TO:":
            await client.ask("RSET")
            await client.ask("MAIL FROM:<a@b.example>")
        began = time.process_time()
        await client.send(verb + trap + b"\r\n")
        said = await client.reply()
        assert time.process_time() - began < 0.5, trap
        assert said[:3] in ("500", "501", "553", "555"), (trap, said)
        assert "\n" not in said, trap
        assert said.isascii(), trap
        assert said.isprintable(), trap
        assert await client.ask("NOOP") == "250 2.0.0 OK", trap
    await client.close()


async def test_what_is_an_address_stays_one(start: Start) -> None:
    hub = await start(smtp={"max_commands": 10_000})
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    for sender in SENDERS:
        await client.send(b"MAIL FROM:" + sender + b"\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")
        assert [(await client.reply())[:3] for _ in range(3)] == ["250", "250", "354"], sender
        await client.send(b"Subject: hello\r\n\r\nhello\r\n.\r\n")
        assert (await client.reply()).startswith("250"), sender
    await client.close()
    messages = await hub.mailbox(user="bob@example.test")
    assert len(messages) == len(SENDERS)
    for message in messages:
        head = message.partition(b"\r\n\r\n")[0]
        assert head.count(b"Return-Path: <") == 1
        assert b'"a@b"@c.example' in head or b"\r\nDelivered-To: bob@example.test\r\n" in head


@pytest.mark.parametrize(
    "recipient",
    [
        b"<@example.test:victim@elsewhere.example>", b"<victim%elsewhere.example@example.test>",
        b'<"victim@elsewhere.example"@example.test>', b"<elsewhere.example!victim@example.test>",
        b"<victim@elsewhere.example>", b"<@elsewhere.example:victim@example.test.elsewhere.example>",
        b'<"victim@elsewhere.example">', b"<victim@[192.0.2.1]>", b"<victim@[IPv6:2001:db8::1]>",
    ],
)  # fmt: skip
async def test_nobody_relays_by_writing_an_address_another_way(start: Start, recipient: bytes) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    await client.ask("MAIL FROM:<a@b.example>")
    await client.send(b"RCPT TO:" + recipient + b"\r\n")
    assert (await client.reply())[:3] in ("550", "501"), recipient
    await client.close()


async def test_header_is_not_written_by_what_clients_call_themselves(start: Start) -> None:
    hub = await start()
    client = await attack(hub)
    await client.send(b"EHLO x)\tby@evil;(\x7f\r\n")
    await client.reply()
    await client.send(b"EHLO a(b)c;d\\e\r\n")
    assert (await client.reply()).startswith("250")
    assert (await client.submit(b"Subject: hello\r\n\r\nhello")).startswith("250")
    await client.close()
    (message,) = await hub.mailbox(user="bob@example.test")
    assert b"Received: from unknown ([127.0.0.1])" in message
