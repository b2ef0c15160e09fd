"""BODY=BINARYMIME: judged as it came, kept as lines, read octet for octet."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from imaplib import IMAP4
from pathlib import Path

import pytest

from hub.hooks.markers import hookimpl
from hub.mail.envelope import Envelope
from hub.mail.lines import is_lines
from hub.mail.message import Message
from hub.mail.verdict import Finding
from hub.services.blobs import StoreFull
from hub.smtp.incoming import IN_MEMORY
from hub.testing.running import running_hub
from tests.conftest import Client, World, connected
from tests.smtp.test_bdat import chunk

BEGIN = b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\nRCPT TO:<bob@example.test>\r\n"
HEAD = b"Subject: a picture\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
TEXT = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nh\xc3\xbcbsch\r\n"


def message(content: bytes) -> bytes:
    """A text and an attachment in binary."""
    part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: binary\r\n\r\n" + content
    return HEAD + TEXT + part + b"\r\n--b--\r\n"


def octets(size: int) -> bytes:
    """As random as a JPEG, and with everything that hurts."""
    return b"\r\n.\r\nMAIL FROM:<x@y.example>\n\r\0--b" + random.Random(size).randbytes(size)


async def deliver(client: Client, message: bytes, size: int = 1 << 30) -> str:
    """One transaction in chunks of that size."""
    await client.send(BEGIN)
    assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]
    for at in range(0, len(message), size):
        await client.send(chunk(message[at : at + size], last=at + size >= len(message)))
        reply = await client.reply()
    return reply


@pytest.mark.parametrize("size", [10, IN_MEMORY, 3 * IN_MEMORY])
async def test_checks_see_what_came_and_lines_are_kept(size: int, world: World) -> None:
    seen: list[tuple[str, str]] = []
    sent = message(octets(size))

    @hookimpl
    def check_message(envelope: Envelope, message: Message) -> Finding | None:
        digest = hashlib.sha256()
        whole = b"".join(message.chunks())
        digest.update(whole[whole.index(b"Subject: ") :])
        seen.append((envelope.body, digest.hexdigest()))
        return None

    world.plugins(check_message)
    async with connected(await world.listen()) as client:
        assert (await deliver(client, sent, 100_000)).startswith("250 2.0.0 delivered as ")
    assert seen == [("BINARYMIME", hashlib.sha256(sent).hexdigest())]
    kept = world.message
    assert is_lines(kept, 0, len(kept))
    assert HEAD + TEXT in kept
    head, _, encoded = kept[: -len(b"\r\n--b--\r\n")].rpartition(b"\r\n\r\n")
    assert head.endswith(b"Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64")
    assert base64.b64decode(encoded) == octets(size)
    assert [spool.ended for spool in world.blobs.spools] == (
        ["discarded", "kept"] if size >= IN_MEMORY else []
    )


@pytest.mark.proves("mail: BINARYMIME, re-encoded once it was verified; attachments read octet for octet")
@pytest.mark.parametrize("size", [100_000, 2_000_000])
async def test_attachment_is_read_by_imap_as_it_was_sent(size: int, tmp_path: Path) -> None:
    async with running_hub(tmp_path) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port())
        client = Client(reader, writer)
        await client.reply()
        assert "250-BINARYMIME\n" in await client.ask("EHLO client.example")
        reply = await deliver(client, message(octets(size)), 300_000)
        assert reply.startswith("250 2.0.0 delivered as "), reply
        await client.close()

        def read(imap: IMAP4) -> tuple[bytes, bytes, bytes]:
            imap.select("INBOX", readonly=True)
            found = [imap.fetch("1", f"(BODY.PEEK[{section}])")[1][0] for section in ("1", "2.MIME", "2")]
            first, header, second = [part[1] for part in found if isinstance(part, tuple)]
            return first, header, second

        text, header, attachment = await running.imap(read, "bob@example.test")
    assert text == b"h\xc3\xbcbsch"
    assert b"Content-Transfer-Encoding: base64\r\n" in header
    assert base64.b64decode(attachment, validate=False) == octets(size)


async def test_binary_message_comes_by_bdat_alone(world: World) -> None:
    async with connected(await world.listen()) as client:
        await client.send(BEGIN)
        assert [(await client.reply())[:3] for _ in range(2)] == ["250", "250"]
        assert (await client.ask("DATA")).startswith("503 5.5.1 A BINARYMIME message comes by BDAT")
        await client.send(chunk(b"Subject: x\r\n\r\nbody\r\n", last=True))
        assert (await client.reply()).startswith("250")
        await client.ask("HELO client.example")
        assert (await client.ask("MAIL FROM:<a@b.example> BODY=BINARYMIME")).startswith("555")


@pytest.mark.parametrize("size", [10, 2 * IN_MEMORY])
async def test_what_cannot_be_understood_is_refused_and_leaves_nothing(size: int, world: World) -> None:
    wrong = message(octets(size)).replace(b"image/jpeg", b"multipart/related")
    async with connected(await world.listen()) as client:
        assert (await deliver(client, wrong)) == (
            "554 5.6.3 The message cannot be made into lines: a part of type multipart/related holds octets"
            " that do not go and may not be encoded"
        )
        assert await client.ask("NOOP") == "250 2.0.0 OK"
    assert world.storage.accepted == {}
    assert {spool.ended for spool in world.blobs.spools} <= {"discarded"}


async def test_bare_line_feed_behind_binary_parts_leaves_nothing(world: World) -> None:
    wrong = message(octets(2 * IN_MEMORY)) + b"an epilogue\nof two lines\r\n"
    async with connected(await world.listen()) as client:
        assert (await deliver(client, wrong)).startswith("554 5.6.3 ")
    assert [spool.ended for spool in world.blobs.spools] == ["discarded", "discarded"]


async def test_full_disk_while_encoding_leaves_nothing(world: World) -> None:
    @hookimpl
    async def check_message(message: Message) -> Finding | None:
        world.blobs.failures.append(StoreFull("no space"))
        return None

    world.plugins(check_message)
    async with connected(await world.listen()) as client:
        assert (await deliver(client, message(octets(2 * IN_MEMORY)))).startswith("452 4.3.1 ")
    assert [spool.ended for spool in world.blobs.spools] == ["discarded", "discarded"]


async def test_failing_commit_leaves_no_encoded_body(world: World) -> None:
    world.storage.failures += [RuntimeError("one"), RuntimeError("two")]
    async with connected(await world.listen()) as client:
        assert (await deliver(client, message(octets(10)))).startswith("451")
        assert (await deliver(client, message(octets(10)))).startswith("250")
