"""What is kept of a message, for whom, and under which lines of ours."""

from __future__ import annotations

import json
import re
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

import pytest

from hub.mail.ident import is_id
from hub.mail.login import AccountRef
from hub.services.storage import Usage
from tests.conftest import Client, World, connected

ALICE = "AUTH PLAIN AGFsaWNlAGRlbW8="


async def send(client: Client, message: bytes, sender: str, *recipients: str) -> str:
    """One transaction; the reply to the message."""
    assert (await client.ask(f"MAIL FROM:<{sender}>")).startswith("250")
    for recipient in recipients:
        assert (await client.ask(f"RCPT TO:<{recipient}>")).startswith("250"), recipient
    assert (await client.ask("DATA")).startswith("354")
    await client.send(message + b"\r\n.\r\n")
    return await client.reply()


async def test_stored_message_has_its_trace_fields_on_top(world: World) -> None:
    async with connected(await world.listen()) as client:
        reply = await send(client, b"Subject: hello\r\n\r\nbody", "a@b.example", "bob+tag@example.test")
    message_id = reply.rpartition(" ")[2]
    assert is_id(message_id)
    head, _, body = world.message.partition(b"\r\n\r\n")
    assert body == b"body\r\n"
    assert re.fullmatch(
        rb"Return-Path: <a@b\.example>\r\n"
        rb"Delivered-To: bob\+tag@example\.test\r\n"
        rb"Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example\.test with ESMTP id "
        + message_id.encode()
        + rb"\r\n\tfor <bob\+tag@example\.test>; [^\r\n]+ \+0000\r\n"
        rb"Subject: hello",
        head,
    )
    parsed = message_from_bytes(world.message, policy=policy.default)
    date = parsedate_to_datetime(parsed["Received"].rpartition(";")[2].strip())
    assert abs(date.timestamp() - next(iter(world.storage.accepted.values())).received_at) < 2


async def test_several_recipients_are_not_betrayed_to_each_other(world: World) -> None:
    async with connected(await world.listen()) as client:
        await send(client, b"A: b\r\n", "", "alice@example.test", "bob@example.test")
    (acceptance,) = world.storage.accepted.values()
    lines = [delivery.lines for delivery in acceptance.deliveries]
    assert lines == [
        b"Return-Path: <>\r\nDelivered-To: alice@example.test\r\n",
        b"Return-Path: <>\r\nDelivered-To: bob@example.test\r\n",
    ]
    head, _, _ = world.blobs.blobs[acceptance.blob]
    assert b"for <" not in head
    assert acceptance.reverse_path is None


async def test_account_gets_one_copy_whoever_it_is_addressed_as(world: World) -> None:
    async with connected(await world.listen()) as client:
        await send(
            client, b"A: b\r\n", "a@b.example", "team@example.test", "alice@example.test",
            "both@example.test", "alice@example.test", "postmaster", "away@example.test",
        )  # fmt: skip
    (acceptance,) = world.storage.accepted.values()
    assert [(each.account.key, each.mailbox) for each in acceptance.deliveries] == [
        ("alice", "INBOX"),
        ("bob", "INBOX"),
        ("full", "INBOX"),
    ]
    assert b"Delivered-To: team@example.test\r\n" in acceptance.deliveries[0].lines
    assert b"Delivered-To: full@example.test\r\n" in acceptance.deliveries[2].lines
    assert [str(address) for address in acceptance.queue] == ["someone@elsewhere.example"]
    assert acceptance.sender is None


async def test_blob_carries_what_delivers_it_anew(world: World) -> None:
    async with connected(await world.listen()) as client:
        await send(client, b"A: b\r\n", "a@b.example", "both@example.test")
    (acceptance,) = world.storage.accepted.values()
    _, _, recovery = world.blobs.blobs[acceptance.blob]
    assert json.loads(recovery) == {
        "id": acceptance.id,
        "received_at": acceptance.received_at,
        "reverse_path": "a@b.example",
        "deliveries": [
            [
                "default",
                "alice",
                "INBOX",
                "Return-Path: <a@b.example>\r\nDelivered-To: both@example.test\r\n",
            ]
        ],
        "queue": ["someone@elsewhere.example"],
        "priority": 0,
        "sender": None,
    }


async def test_sizes_add_up(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.submit(b"A: b\r\n\r\nbody")
        await client.submit(b"A: b\r\n\r\n" + b"x" * 400_000)
    for acceptance in world.storage.accepted.values():
        head, body, _ = world.blobs.blobs[acceptance.blob]
        assert acceptance.head_size == len(head)
        assert acceptance.size == len(head) + len(body)


async def test_garbage_becomes_a_body(world: World) -> None:
    async with connected(await world.listen()) as client:
        for garbage in (b"no header at all", b"", b"\r\nbody only", b"\x80\xff binary \x00"):
            assert (await client.submit(garbage)).startswith("250"), garbage
    for head, _, _ in world.blobs.blobs.values():
        assert head.startswith(b"Received: ")
        assert head.endswith(b"\r\n\r\n")
        assert head.count(b"\r\n\r\n") == 1


async def test_loop_is_cut(world: World) -> None:
    async with connected(await world.listen()) as client:
        hop = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        assert (await client.submit(hop * 100 + b"A: b\r\n")).startswith("250")
        assert (await client.submit(hop * 101 + b"A: b\r\n")).startswith("554 5.4.6")


async def test_quota_is_asked_at_rcpt(world: World) -> None:
    full = AccountRef("default", "full")
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<a@b.example> SIZE=1001")
        assert (await client.ask("RCPT TO:<full@example.test>")).startswith("452 4.2.2")
        await client.ask("RSET")
        await client.ask("MAIL FROM:<a@b.example> SIZE=1000")
        assert (await client.ask("RCPT TO:<full@example.test>")).startswith("250")
        await client.ask("RSET")
        world.storage.used[full] = Usage(1000, 1)
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask("RCPT TO:<full@example.test>")).startswith("452 4.2.2")
        assert (await client.ask("RCPT TO:<postmaster@example.test>")).startswith("250")
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("250")


async def test_submission_gets_the_fields_that_it_lacks(world: World) -> None:
    async with connected(await world.listen("submission")) as client:
        await client.ask(ALICE)
        reply = await send(client, b"Subject: bare\r\n\r\nbody", "alice+x@example.test", "bob@example.test")
    message = message_from_bytes(world.message, policy=policy.default)
    assert message["From"] == "alice+x@example.test"
    assert message["Message-ID"] == f"<{reply.rpartition(' ')[2]}@mx.example.test>"
    assert parsedate_to_datetime(message["Date"]) is not None
    assert " with ESMTPA id " in message["Received"]
    (acceptance,) = world.storage.accepted.values()
    assert acceptance.sender == AccountRef("default", "alice")


async def test_submission_keeps_the_fields_that_it_has(world: World) -> None:
    head = (
        b"date: Mon, 1 Jan 2024 00:00:00 +0000\r\nFROM: Alice <alice@example.test>\r\n"
        b"Message-Id: <own@client.example>\r\n\r\n"
    )
    async with connected(await world.listen("submission")) as client:
        await client.ask(ALICE)
        await send(client, head + b"body", "alice@example.test", "bob@example.test")
    _received, _, rest = world.message.partition(b"+0000\r\n")
    assert rest == head + b"body\r\n"


async def test_mail_from_other_servers_is_not_completed(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.submit(b"Subject: bare\r\n")
    for name in (b"Date:", b"From:", b"Message-ID:"):
        assert name not in world.message


@pytest.mark.proves("mail: who logs in sends only as themselves, in the envelope and in From")
async def test_every_from_must_be_the_senders_own(world: World) -> None:
    async with connected(await world.listen("submission")) as client:
        await client.ask(ALICE)
        for refused in (
            "From: bob@example.test",
            "From: Alice <alice@example.test>, Bob <bob@example.test>",
            "From: alice@example.test\r\nFrom: bob@example.test",
            "From: alice@example.test <bob@example.test>",
            "From : bob@example.test",
            "From:\r\n bob@example.test",
            "From: team:alice@example.test, bob@example.test;",
            "From: alice",
            "From: alice@example.test, jürgen@example.test",
            "From: =?utf-8?q?alice=40example=2Etest?= <x@elsewhere.example>",
        ):
            reply = await send(
                client, refused.encode("latin-1") + b"\r\n", "alice@example.test", "bob@example.test"
            )
            assert reply.startswith("553 5.7.1"), refused
        for accepted in ("From: alice@example.test", 'From: "bob@example.test" <ALICE+x@example.test>'):
            reply = await send(client, accepted.encode() + b"\r\n", "alice@example.test", "bob@example.test")
            assert reply.startswith("250"), accepted


@pytest.mark.proves("mail: mail for elsewhere becomes queue rows in the same commit")
async def test_mail_for_elsewhere_is_queued(world: World) -> None:
    async with connected(await world.listen("submission")) as client:
        await client.ask(ALICE)
        reply = await send(
            client, b"\r\n", "alice@example.test", "x@elsewhere.example", "y@elsewhere.example"
        )
        assert reply.startswith("250 2.0.0 queued as ")
        reply = await send(client, b"\r\n", "alice@example.test", "x@elsewhere.example", "bob@example.test")
        assert reply.startswith("250 2.0.0 delivered as ")
    queues = [[str(each) for each in one.queue] for one in world.storage.accepted.values()]
    assert queues == [["x@elsewhere.example", "y@elsewhere.example"], ["x@elsewhere.example"]]


async def test_names_outside_ascii_come_through(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.ask("MAIL FROM:<jürgen@b.example> SMTPUTF8")
        assert (await client.ask("RCPT TO:<zoë@example.test>")).startswith("250")
        await client.ask("DATA")
        await client.send("Subject: grüße\r\n\r\n.\r\n".encode())
        assert (await client.reply()).startswith("250")
    assert "Return-Path: <jürgen@b.example>\r\nDelivered-To: zoë@example.test\r\n".encode() in world.message
    assert b" with UTF8SMTP id " in world.message


async def test_odd_greeting_cannot_forge_a_header(world: World) -> None:
    async with connected(await world.listen()) as client:
        for name in ("x)\tby(evil", "a;b", "[127.0.0.1]\r", "<x>"):
            await client.ask(f"EHLO {name}")
            await client.submit(b"\r\n")
    for head, _, _ in world.blobs.blobs.values():
        assert head.startswith((b"Received: from unknown ([127.0.0.1])", b"Received: from client.example "))
