"""The same server on SQLite, segments and the directory that a hub without a config has."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from pathlib import Path
from typing import cast

import pytest

from hub.config.tables.tls import TlsTable
from hub.mail.address import Address
from hub.mail.login import AccountRef
from hub.services.directory import Alias, DirectoryAdmin
from hub.testing.running import RunningHub, running_hub
from tests.conftest import connected
from tests.smtp.test_tls import scram

ALICE = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABkZW1v"
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20_000


def directory(hub: RunningHub) -> DirectoryAdmin:
    """What `hub account` drives."""
    return cast(DirectoryAdmin, hub.hub.kernel.services.directory)


async def test_mail_is_read_as_it_was_sent(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, connected(hub.port()) as client:
        small = b"Subject: small\r\n\r\n.\r\n..\r\nend"
        stuffed = small.replace(b"\r\n.", b"\r\n..")
        assert (await client.submit(stuffed, to="alice@example.test")).startswith("250 2.0.0 delivered as")
        assert (await client.submit(LARGE[:-2], to="alice@example.test")).startswith("250 2.0.0 delivered as")
        assert (await client.submit(b"no header", to="postmaster@example.test")).startswith("250")
        read = await hub.mailbox()
        assert read[0].endswith(b"+0000\r\n" + small + b"\r\n")
        assert read[1].endswith(b"+0000\r\n" + LARGE)
        assert read[0].startswith(
            b"Return-Path: <a@b.example>\r\nDelivered-To: alice@example.test\r\nReceived: "
        )


@pytest.mark.proves(
    "mail: accounts, aliases, subaddresses, catch-all and postmaster; strangers are refused at "
    "RCPT and nothing is relayed"
)
async def test_recipients_are_who_the_directory_says(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, connected(hub.port()) as client:
        team = Alias(
            Address.parse("team@example.test"),
            (Address.parse("alice@example.test"), Address.parse("out@elsewhere.example")),
        )
        await directory(hub).add_alias(team)
        await directory(hub).change_account(Address.parse("bob@example.test"), enabled=False)
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask("RCPT TO:<nobody@example.test>")).startswith("550 5.1.1")
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("550 5.2.1")
        assert (await client.ask("RCPT TO:<x@elsewhere.example>")).startswith("550 5.7.1")
        assert (await client.ask("RCPT TO:<team+tag@example.test>")).startswith("250")
        await client.ask("DATA")
        await client.send(b"\r\n.\r\n")
        message_id = (await client.reply()).rpartition(" ")[2]
        assert len(await hub.mailbox()) == 1
        (row,) = await hub.hub.kernel.services.storage.queue()
        assert (row.message_id, str(row.recipient)) == (message_id, "out@elsewhere.example")


async def test_full_mailbox_is_refused_at_rcpt(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, connected(hub.port()) as client:
        await directory(hub).change_account(Address.parse("bob@example.test"), quota=500)
        assert (await client.submit(b"Subject: a\r\n\r\n" + b"x" * 500)).startswith("250")
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("452 4.2.2")


async def test_mailbox_with_as_many_messages_as_it_may_have_is_refused_at_rcpt(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, connected(hub.port()) as client:
        await directory(hub).change_account(Address.parse("bob@example.test"), message_quota=1)
        assert (await client.submit(b"Subject: a\r\n\r\nb")).startswith("250")
        await client.ask("MAIL FROM:<a@b.example>")
        assert (await client.ask("RCPT TO:<bob@example.test>")).startswith("452 4.2.2")


@pytest.mark.proves(
    "mail: submission with PLAIN, LOGIN and SCRAM-SHA-256, with STARTTLS or TLS from the start"
)
async def test_user_submits_with_every_mechanism(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        port = hub.port("submission")
        async with connected(port) as client:
            assert (await scram(client, "alice@example.test", "wrong")).startswith("535")
            assert (await scram(client, "nobody@example.test", "demo")).startswith("535")
            assert (await scram(client, "alice@example.test", "demo")).startswith("235")
            reply = await client.submit(b"", sender="alice@example.test", to="x@elsewhere.example")
            assert reply.startswith("250 2.0.0 queued as")
        async with connected(port) as client:
            assert (await client.ask(ALICE)).startswith("235")
            assert (await client.ask("MAIL FROM:<bob@example.test>")).startswith("553")
        (row,) = await hub.hub.kernel.services.storage.queue()
        assert str(row.reverse_path) == "alice@example.test"


async def test_unknown_name_has_a_salt_like_any_other(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, connected(hub.port("submission")) as client:
        sizes = set()
        for name in ("alice@example.test", "nobody@example.test"):
            reply = await client.ask("AUTH SCRAM-SHA-256 " + _base64(f"n,,n={name},r=abcdefgh"))
            fields = dict(field.split("=", 1) for field in _decoded(reply[4:]).split(","))
            sizes.add((len(fields["s"]), fields["i"]))
            assert (await client.ask("*")).startswith("501")
        assert len(sizes) == 1


async def test_listeners_with_tls(tmp_path: Path, certificate: TlsTable) -> None:
    tables = {
        "tls": {"certificate": str(certificate.certificate), "key": str(certificate.key)},
        "listeners": {
            "submission": {"protocol": "submission", "bind": ["127.0.0.1:0"]},
            "submissions": {"protocol": "submissions", "bind": ["127.0.0.1:0"]},
        },
    }
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    trusting.check_hostname = False
    async with running_hub(tmp_path, tables=tables) as hub:

        def work() -> None:
            with smtplib.SMTP("127.0.0.1", hub.port("submission"), timeout=30) as client:
                client.starttls(context=trusting)
                client.login("alice@example.test", "demo")
                client.sendmail("alice@example.test", ["bob@example.test"], b"Subject: 1\r\n\r\n")
            with smtplib.SMTP_SSL(
                "127.0.0.1", hub.port("submissions"), timeout=30, context=trusting
            ) as client:
                client.login("alice@example.test", "demo")
                client.sendmail("alice@example.test", ["bob@example.test"], b"Subject: 2\r\n\r\n" + LARGE)

        await asyncio.to_thread(work)
        bob = await directory(hub).account("bob@example.test")
        assert bob is not None
        usage = await hub.hub.kernel.services.storage.usage(AccountRef(bob.ref.tenant, bob.ref.key))
        assert usage.messages == 2


async def test_concurrent_clients_share_commits(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:

        async def one(number: int) -> list[str]:
            async with connected(hub.port()) as client:
                return [
                    await client.submit(f"Subject: {number}.{turn}\r\n\r\n".encode(), to="alice@example.test")
                    for turn in range(10)
                ]

        replies = [reply for some in await asyncio.gather(*map(one, range(20))) for reply in some]
        assert len(set(replies)) == 200
        assert all(reply.startswith("250 2.0.0 delivered as ") for reply in replies)
        subjects = {message.partition(b"Subject: ")[2].strip() for message in await hub.mailbox()}
        assert subjects == {f"{n}.{t}".encode() for n in range(20) for t in range(10)}


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


async def test_message_may_have_as_many_recipients_as_announced(tmp_path: Path) -> None:
    long = "x" * 58
    async with running_hub(tmp_path) as hub, connected(hub.port("submission")) as client:
        assert (await client.ask(ALICE)).startswith("235")
        await client.ask("MAIL FROM:<alice@example.test>")
        recipients = [f"RCPT TO:<{long}{number:04}@{'elsewhere.' * 18}example>\r\n" for number in range(1000)]
        await client.send("".join(recipients).encode())
        assert {(await client.reply())[:3] for _ in recipients} == {"250"}
        await client.ask("DATA")
        await client.send(b"\r\n.\r\n")
        assert (await client.reply()).startswith("250 2.0.0 queued as")
        assert len(await hub.hub.kernel.services.storage.queue(2000)) == 1000


async def test_header_block_may_be_as_large_as_allowed(tmp_path: Path) -> None:
    line = b"X-Long: " + b"x" * 990 + b"\r\n"
    head = line * (256 * 1024 // len(line))
    async with running_hub(tmp_path) as hub, connected(hub.port()) as client:
        assert (await client.submit(head + b"\r\nbody")).startswith("250 2.0.0 delivered as")
        assert (await client.submit(head + line * 2 + b"\r\nbody")).startswith("554 5.6.0")
        assert (await hub.mailbox(user="bob@example.test"))[0].endswith(head + b"\r\nbody\r\n")
