"""LMTP: a reply for each recipient, on networks that are trusted and on Unix sockets."""

from __future__ import annotations

import asyncio
import re
import shutil
import smtplib
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest

from hub.config.tables.listeners import Listener
from hub.config.tables.sessions import SmtpTable
from hub.hooks.markers import hookimpl
from hub.listening import bind, bind_for
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.message import Message
from hub.mail.verdict import Finding, Reject, Verdict
from hub.services.directory import DirectoryAdmin
from hub.services.storage import Usage
from hub.testing.running import running_hub
from tests.conftest import Client, World, connected
from tests.peers.postfix import needs_postfix, relaying, send
from tests.smtp.test_bdat import chunk

LARGE = b"Subject: large\r\n\r\n" + b"x" * 1000
FULL = "452 4.2.2 The mailbox is full; try again later"


async def greeted(port: int) -> Client:
    """A client that has said LHLO."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    assert await client.reply() == "220 mx.example.test LMTP"
    assert (await client.ask("LHLO relay.example")).startswith("250-")
    return client


async def deliver(client: Client, message: bytes, *names: str) -> list[str]:
    """One transaction; the replies to the message."""
    await client.ask("MAIL FROM:<a@b.example>")
    for name in names:
        assert await client.ask(f"RCPT TO:<{name}@example.test>") == "250 2.1.5 OK"
    await client.ask("DATA")
    await client.send(message + b"\r\n.\r\n")
    return [await client.reply() for _ in names]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, for that of a Unix socket is limited."""
    with TemporaryDirectory(prefix="hub-") as name:
        yield Path(name)


@pytest.mark.proves("mail: LMTP, with a reply for each recipient, from trusted networks and Unix sockets")
async def test_each_recipient_is_answered_in_the_order_of_rcpt(world: World) -> None:
    told: list[tuple[str, int]] = []
    accepted: list[tuple[Address, ...]] = []

    @hookimpl
    async def recipient_refused(recipient: Address | None, code: int) -> None:
        told.append((str(recipient), code))

    @hookimpl
    async def message_accepted(envelope: Envelope) -> None:
        accepted.append(envelope.recipients)

    world.plugins(recipient_refused, message_accepted)
    client = await greeted(await world.listen("lmtp"))
    heard = await deliver(client, LARGE, "full", "bob", "full", "alice", "bob")
    assert [heard[0], heard[2]] == [FULL, FULL]
    assert len({heard[1], heard[3], heard[4]}) == 1
    assert heard[1].startswith("250 2.0.0 delivered as ")
    assert await client.ask("NOOP") == "250 2.0.0 OK"
    await client.close()
    (kept,) = world.storage.accepted.values()
    assert [each.account.key for each in kept.deliveries] == ["bob", "alice"]
    assert b" with LMTP id " in world.message
    await world.told()
    assert told == [("full@example.test", 452)]
    assert accepted == [(Address("bob", "example.test"), Address("alice", "example.test"))]


async def test_message_that_has_no_room_anywhere_is_refused_for_all(world: World) -> None:
    told: list[int] = []

    @hookimpl
    async def message_refused(code: int) -> None:
        told.append(code)

    world.plugins(message_refused)
    client = await greeted(await world.listen("lmtp"))
    assert await deliver(client, LARGE, "full", "full") == [FULL, FULL]
    assert (await deliver(client, b"small", "full"))[0].startswith("250")
    world.storage.used[world.directory.accounts["full"].ref] = Usage(1000, 1)
    await client.ask("MAIL FROM:<a@b.example>")
    assert await client.ask("RCPT TO:<full@example.test>") == FULL
    await client.close()
    await world.told()
    assert told == [452]


async def test_message_that_a_check_refuses_is_refused_for_each(world: World) -> None:
    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        spam = "lottery" in (message.headers.get("Subject") or "")
        return Finding(action=Reject("5.7.1", "no lotteries")) if spam else None

    @hookimpl
    async def smtp_rcpt(recipient: Address) -> Verdict | None:
        return Reject("5.7.1", "not alice") if recipient.local == "alice" else None

    world.plugins(check_message, smtp_rcpt)
    world.settings(smtp=SmtpTable(max_errors=3))
    client = await greeted(await world.listen("lmtp"))
    many = ["bob"] * 50
    assert await deliver(client, b"Subject: lottery\r\n\r\n", *many) == ["554 5.7.1 no lotteries"] * 50
    assert (await deliver(client, b"Subject: letter\r\n\r\n", "bob"))[0].startswith("250")
    await client.ask("MAIL FROM:<a@b.example>")
    assert await client.ask("RCPT TO:<alice@example.test>") == "550 5.7.1 not alice"
    await client.close()


async def test_last_chunk_is_answered_for_each_recipient_and_others_once(world: World) -> None:
    client = await greeted(await world.listen("lmtp"))
    begin = b"MAIL FROM:<a@b.example>\r\n" + b"".join(
        b"RCPT TO:<%s@example.test>\r\n" % name for name in (b"bob", b"full", b"alice")
    )
    await client.send(begin + chunk(LARGE[:20]) + chunk(LARGE[20:], last=True) + b"NOOP\r\n")
    heard = [await client.reply() for _ in range(9)]
    assert [reply[:3] for reply in heard] == ["250"] * 4 + ["250", "250", "452", "250", "250"]
    world.settings(smtp=SmtpTable(max_size=10))
    await client.send(begin + chunk(LARGE) + chunk(LARGE, last=True) + b"NOOP\r\n")
    heard = [await client.reply() for _ in range(9)]
    assert [reply[:3] for reply in heard] == ["250"] * 4 + ["552", "503", "503", "503", "250"]
    await client.send(b"MAIL FROM:<a@b.example>\r\n" + chunk(b"", last=True) + b"NOOP\r\n")
    assert [(await client.reply())[:3] for _ in range(3)] == ["250", "503", "250"]
    await client.close()


async def test_rset_forgets_who_was_to_be_answered(world: World) -> None:
    client = await greeted(await world.listen("lmtp"))
    await client.ask("MAIL FROM:<a@b.example>")
    await client.ask("RCPT TO:<alice@example.test>")
    await client.ask("RSET")
    assert len(await deliver(client, b"x", "bob")) == 1
    assert await client.ask("NOOP") == "250 2.0.0 OK"
    await client.close()


async def test_only_trusted_networks_are_served(world: World) -> None:
    port = await world.listen("lmtp", trusted=["192.0.2.0/24"])
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    assert await client.reply() == "554 5.7.1 This port is for the mail servers of this site"
    assert await client.reader.read() == b""
    await client.close()


async def test_smtp_knows_no_lhlo(world: World) -> None:
    async with connected(await world.listen()) as client:
        assert (await client.ask("LHLO relay.example")).startswith("500 5.5.1 ")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"protocol": "smtp", "trusted": ["10.0.0.0/8"]}, "trusted, which is for lmtp"),
        ({"protocol": "lmtp", "bind": ["unix:lmtp"]}, "a path from / on"),
        ({"protocol": "lmtp", "bind": ["unix:/" + "x" * 107]}, "of 107 octets at most"),
        (
            {"protocol": "lmtp", "bind": ["unix:/a"], "proxy_protocol": ["::1"]},
            "proxy_protocol, which is for networks",
        ),
        ({"protocol": "imaps", "bind": ["unix:/a"]}, "which is for networks"),
    ],
)
def test_wrong_listeners_are_explained(keys: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Listener.model_validate({"bind": ["127.0.0.1:0"], **keys})


def served(path: Path) -> Listener:
    return Listener.model_validate({"protocol": "lmtp", "bind": [f"unix:{path}"]})


def test_a_unix_socket_is_for_its_owner_and_group(folder: Path) -> None:
    (bound,) = bind({"lmtp": served(folder / "lmtp")}, {})
    with bound.socket:
        assert stat.S_IMODE((folder / "lmtp").stat().st_mode) == 0o660


def test_all_workers_share_a_unix_socket(folder: Path) -> None:
    crews = bind_for(3, {"lmtp": served(folder / "lmtp")}, {})
    assert len({each.socket.fileno() for (each,) in crews}) == 3
    for (each,) in crews[:2]:
        each.socket.close()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "lmtp"))
    crews[2][0].socket.close()


def test_what_an_ended_hub_left_is_removed_and_nothing_else(folder: Path) -> None:
    path = folder / "lmtp"
    listeners = {"lmtp": served(path)}
    (left,) = bind(listeners, {})
    left.socket.close()
    assert path.is_socket()
    (bound,) = bind(listeners, {})
    with (
        bound.socket,
        pytest.raises(OSError, match=f"'lmtp' cannot have unix:{path}: Address already in use"),
    ):
        bind(listeners, {})
    path.unlink()
    path.write_text("a file of somebody's")
    with pytest.raises(OSError, match="Address already in use"):
        bind(listeners, {})
    assert path.read_text() == "a file of somebody's"


@pytest.mark.parametrize("place", ["unix", "127.0.0.1:0"])
async def test_smtplib_delivers_by_lmtp(place: str, tmp_path: Path, folder: Path) -> None:
    where = f"unix:{folder / 'lmtp'}" if place == "unix" else place
    listeners = {
        "lmtp": {"protocol": "lmtp", "bind": [where]},
        "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]},
    }
    async with running_hub(
        tmp_path, tables={"listeners": listeners}, plugins=("rate-limit", "deny-list")
    ) as running:
        host, port = (str(folder / "lmtp"), 0) if place == "unix" else ("127.0.0.1", running.port("lmtp"))

        def talk() -> None:
            with smtplib.LMTP(host, port, local_hostname="relay.example") as client:
                client.ehlo()
                assert client.has_extn("chunking")
                client.mail("a@b.example")
                for name in ("alice", "bob"):
                    assert client.rcpt(f"{name}@example.test")[0] == 250
                code, reply = client.data(b"Subject: by LMTP\r\n\r\nIt works.\r\n")
                assert code == 250
                assert reply.startswith(b"2.0.0 delivered as ")
                assert client.getreply() == (code, reply)
                assert client.noop()[0] == 250

        await asyncio.to_thread(talk)
        for name in ("alice", "bob"):
            (message,) = await running.mailbox(user=f"{name}@example.test")
            assert b"Delivered-To: %s@example.test\r\n" % name.encode() in message
            assert b"from relay.example ([127.0.0.1])\r\n\tby mail.example.test with LMTP id " in message
            assert message.endswith(b"\r\n\r\nIt works.\r\n")


@needs_postfix
@pytest.mark.parametrize("place", ["unix", "inet"])
async def test_postfix_delivers_by_lmtp(place: str, tmp_path: Path, folder: Path) -> None:
    folder.chmod(0o755)
    path = folder / "lmtp"
    listeners = {
        "lmtp": {"protocol": "lmtp", "bind": [f"unix:{path}" if place == "unix" else "127.0.0.1:0"]},
        "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"]},
    }
    seen: dict[str, str] = {}
    async with running_hub(tmp_path, tables={"listeners": listeners}) as running:
        if place == "unix":
            shutil.chown(path, group="postfix")  # as an operator lets it in
            transport = f"lmtp:unix:{path}"
        else:
            transport = f"lmtp:inet:127.0.0.1:{running.port('lmtp')}"
        directory = cast(DirectoryAdmin, running.hub.kernel.services.directory)
        await directory.change_account(Address("bob", "example.test"), quota=500)

        def relay() -> None:
            with relaying(folder / "postfix", transport) as port:
                names = [f"{name}@example.test" for name in ("alice", "bob", "nobody")]
                send(port, b"Subject: by Postfix\r\n\r\n" + b"It works. " * 80 + b"\r\n", *names)
                log = folder / "postfix" / "log"
                deadline = time.monotonic() + 60
                while len(seen) < 3:
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
                    for to, said in re.findall(
                        r"to=<(\w+)@example\.test>.* status=(\w+ \(.*)", log.read_text()
                    ):
                        seen[to] = said

        await asyncio.to_thread(relay)
        (message,) = await running.mailbox()
        assert b"by mail.example.test with LMTP id " in message
        assert b"Subject: by Postfix\r\n" in message
        assert await running.mailbox(user="bob@example.test") == []
    assert re.match(r"sent \(250 2\.0\.0 delivered as ", seen["alice"])
    assert re.match(r"deferred \(host .* said: 452 4\.2\.2 The mailbox is full; try again later", seen["bob"])
    assert re.match(r"bounced \(host .* said: 550 5\.1\.1 Nobody has this address here", seen["nobody"])
