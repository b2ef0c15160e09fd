"""Messages made to cost their reader more than their writer: header bombs, MIME bombs. All is linear."""

from __future__ import annotations

import time
from collections.abc import Callable
from imaplib import IMAP4
from typing import TypeVar

import pytest

from hub.mail.structure import MAX_DEPTH
from hub.testing.running import RunningHub
from tests.attacks.conftest import Start, attack

T = TypeVar("T")


def nested(levels: int) -> bytes:
    """Multiparts in each other."""
    lines = [b"Subject: nested\r\n"]
    for level in range(levels):
        lines.append(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level))
    return b"".join(lines) + b"\r\nneedle"


def forwarded(levels: int) -> bytes:
    """Messages in each other."""
    return (
        b"Subject: forwarded\r\nContent-Type: message/rfc822\r\n\r\n" * levels + b"Subject: end\r\n\r\nneedle"
    )


def parts(count: int) -> bytes:
    """One multipart of very many."""
    head = b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"--b\r\nContent-Type: text/plain\r\n\r\nneedle\r\n" * count + b"--b--"


def boundaries(count: int) -> bytes:
    """Many multiparts whose boundaries begin alike, with lines that look like all of them."""
    lines = [b"Subject: boundaries\r\n"]
    for level in range(min(count, MAX_DEPTH - 1)):
        name = b"b" * (level + 1)
        lines.append(b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n--%b\r\n" % (name, name))
    return b"".join(lines) + b"\r\n--" + b"\r\n--".join([b"b" * 60 + b"x"] * count) + b"\r\nneedle"


def parameters(count: int) -> bytes:
    """A Content-Type in very many continuations (RFC 2231)."""
    pieces = b"".join(b";\r\n\tname*%d*=%%41" % number for number in range(count))
    return b"Subject: parameters\r\nContent-Type: text/plain" + pieces + b"\r\n\r\nneedle"


def fields(count: int) -> bytes:
    """Very many header fields."""
    return b"a:\r\n" * count + b"Subject: fields\r\n\r\nneedle"


def folds(count: int) -> bytes:
    """One field on very many lines."""
    return b"Subject: folds\r\nX:" + b"\r\n x" * count + b"\r\n\r\nneedle"


def mailboxes(count: int) -> bytes:
    """One field of very many addresses, groups and comments."""
    return b"Subject: mailboxes\r\nTo: " + b"(((a:<b@c>,\r\n\t" * count + b"\r\n\r\nneedle"


def words(count: int) -> bytes:
    """Encoded words without an end (RFC 2047)."""
    return b"Subject: " + b"=?utf-8?q?=41?=\r\n " * count + b"=?utf-8?b?" * count + b"\r\n\r\nneedle"


BOMBS = [
    (nested, 10_000),
    (forwarded, 4_000),
    (parts, 100_000),
    (boundaries, 20_000),
    (parameters, 10_000),
    (fields, 60_000),
    (folds, 50_000),
    (mailboxes, 12_000),
    (words, 8_000),
]


async def explored(hub: RunningHub, message: bytes) -> float:
    """Bring a message by SMTP and look at it from all sides by IMAP; the processor's seconds for that."""
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    began = time.process_time()
    said = await client.submit(message, to="alice@example.test")
    assert said.startswith("250"), said
    await client.close()

    def explore(reader: IMAP4) -> None:
        reader.select("INBOX")
        newest = reader.search(None, "ALL")[1][0].split()[-1].decode()
        for items in (
            "(BODYSTRUCTURE)",
            "(ENVELOPE RFC822.SIZE FLAGS)",
            "(BODY.PEEK[HEADER.FIELDS (SUBJECT TO X)])",
            "(BODY.PEEK[1])",
            "(BODY.PEEK[1.1.1.1.1.1.1.1.MIME])",
            "(BODY.PEEK[1.1.1.HEADER])",
            "(BODY.PEEK[TEXT]<10.20>)",
        ):
            status, found = reader.fetch(newest, items)
            assert status == "OK", items
            assert found[0] is not None, items
        for key in ('TEXT "needle"', 'BODY "absent"', 'HEADER X "absent"', 'SUBJECT "absent"', 'TO "absent"'):
            status, _ = reader.search(None, newest, key)
            assert status == "OK", key

    await hub.imap(explore)
    return time.process_time() - began


@pytest.mark.parametrize(("bomb", "size"), BOMBS, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_bomb_is_read_in_linear_time(start: Start, bomb: Callable[[int], bytes], size: int) -> None:
    hub = await start()
    await explored(hub, bomb(10))  # whatever is made at the first use is made now
    quarter = await explored(hub, bomb(size // 4))
    whole = await explored(hub, bomb(size))
    assert whole < 8 * quarter + 0.5, f"{quarter:.2f} s became {whole:.2f} s"


async def test_header_block_beyond_its_limit_is_refused(start: Start) -> None:
    hub = await start()
    client = await attack(hub)
    await client.ask("EHLO attacker.example")
    for bomb in (fields(100_000), folds(100_000), b"X: " + b"x" * 10_000_000 + b"\r\n\r\n"):
        assert (await client.submit(bomb)).startswith("554 5.6.0 The header block is larger than 256 KiB")
    assert (await client.submit(b"Received: x\r\n" * 101)).startswith("554 5.4.6")
    await client.close()
    assert await hub.mailbox(user="bob@example.test") == []


async def test_bombs_by_append(start: Start) -> None:
    """A user may put there what no mail may bring, and must be able to look at it."""
    hub = await start()

    def append(client: IMAP4) -> None:
        for bomb in (fields(100_000), nested(10_000), parts(100_000)):
            status, said = client.append("INBOX", "", "", bomb)
            assert status == "OK", said
        client.select("INBOX")
        for number in ("1", "2", "3"):
            for items in (
                "(ENVELOPE BODYSTRUCTURE)",
                "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])",
                "(BODY.PEEK[1.1])",
            ):
                assert client.fetch(number, items)[0] == "OK"
        assert client.search(None, 'HEADER a ""', 'TEXT "needle"')[0] == "OK"

    began = time.process_time()
    await hub.imap(append)
    assert time.process_time() - began < 30
