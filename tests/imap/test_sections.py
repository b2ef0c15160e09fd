"""Parts of messages: what FETCH gives is what the standard library's parser finds, or what the octets say."""

from __future__ import annotations

import base64
import email
import email.message
import imaplib
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.imap.sections import Piece, Span, cut, size
from hub.mail.ident import new_id
from hub.services.storage import Acceptance, Delivery
from tests.imap.conftest import Client, ImapHub

NESTED = b"""Received: from somewhere\r
From: Ann <ann@example.org>\r
To: alice@example.test\r
Subject: nested\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="outer"\r
\r
preamble\r
--outer\r
Content-Type: multipart/alternative; boundary=inner\r
X-Part: alternatives\r
\r
--inner\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: 8bit\r
\r
gr\xc3\xbc\xc3\x9fe\r
--inner\r
Content-Type: text/html\r
\r
<p>gr&uuml;&szlig;e</p>\r
\r
--inner--\r
--outer\r
Content-Type: message/rfc822\r
Content-Disposition: attachment; filename=mail.eml\r
\r
From: Bob <bob@example.org>\r
Subject: carried\r
Content-Type: multipart/mixed; boundary=deep\r
\r
--deep\r
Content-Type: text/plain\r
\r
deep text\r
--deep\r
Content-Type: application/octet-stream\r
Content-Transfer-Encoding: base64\r
\r
AAECAwQ=\r
--deep--\r
epilogue of the carried\r
--outer\r
\r
no header at all\r
--outer--\r
epilogue\r
"""


def literal(line: bytes) -> bytes:
    """What stands in the one literal of a response."""
    found = re.search(rb"\{(\d+)\}\r\n", line)
    assert found, line
    return line[found.end() : found.end() + int(found[1])]


async def section(client: Client, spec: str) -> bytes:
    (line,) = await client.ok(f"FETCH 1 BODY.PEEK[{spec}]")
    return literal(line)


def parts(message: email.message.Message, path: str = "") -> Iterator[tuple[str, email.message.Message]]:
    """Every part with its section number, by the standard library."""
    if message.is_multipart():
        children = message.get_payload()
        assert isinstance(children, list)
        if message.get_content_type() == "message/rfc822":
            (carried,) = children
            assert isinstance(carried, email.message.Message)
            yield from parts(carried, path)
            return
        for number, child in enumerate(children, 1):
            assert isinstance(child, email.message.Message)
            name = f"{path}.{number}" if path else str(number)
            yield name, child
            yield from parts(child, name)


@pytest.mark.proves("imap: every part of a nested message, as the standard library sees it")
async def test_nested_parts_are_those_of_the_standard_library(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", NESTED)
        await client.ok("NOOP")
        found = dict(parts(email.message_from_bytes(NESTED)))
        assert list(found) == ["1", "1.1", "1.2", "2", "2.1", "2.2", "3"]
        for path, part in found.items():
            if not part.is_multipart():
                body = await section(client, path)
                if part["Content-Transfer-Encoding"] == "base64":
                    body = base64.b64decode(body)
                assert body == part.get_payload(decode=True), path
            mime = email.message_from_bytes(await section(client, f"{path}.MIME"))
            assert mime.items() == part.items(), path
        carried = found["2"].get_payload()
        assert isinstance(carried, list)
        assert isinstance(carried[0], email.message.Message)
        header = email.message_from_bytes(await section(client, "2.HEADER"))
        assert header.items() == carried[0].items()
        assert await section(client, "2.HEADER.FIELDS (Subject)") == b"Subject: carried\r\n\r\n"
        start = NESTED.index(b"--deep\r\n")
        assert (
            await section(client, "2.TEXT") == NESTED[start : NESTED.index(b"\r\n--outer\r\n\r\nno header")]
        )


async def test_the_message_itself_is_cut_where_its_header_ends(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", NESTED)
        await client.ok("NOOP")
        head, body = NESTED.split(b"\r\n\r\n", 1)
        assert await section(client, "") == NESTED
        assert await section(client, "HEADER") == head + b"\r\n\r\n"
        assert await section(client, "TEXT") == body
        assert await section(client, "HEADER.FIELDS (subject x-none TO)") == (
            b"To: alice@example.test\r\nSubject: nested\r\n\r\n"
        )
        rest = head.replace(b"Subject: nested\r\n", b"").replace(b"To: alice@example.test\r\n", b"")
        assert await section(client, "HEADER.FIELDS.NOT (Subject To)") == rest + b"\r\n\r\n"
        for missing in ("4", "1.3", "1.1.1", "2.3", "1.HEADER", "3.TEXT"):
            assert await client.ok(f"FETCH 1 BODY.PEEK[{missing}]") == [
                b"* 1 FETCH (BODY[%b] NIL)" % missing.encode()
            ]


async def test_a_simple_message_has_one_part(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: x\r\n\r\nbody")
        await client.ok("NOOP")
        assert await section(client, "1") == b"body"
        assert await section(client, "1.MIME") == b"Subject: x\r\n\r\n"


async def test_rfc822_items_are_the_sections_under_their_old_names(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: x\r\n\r\nbody")
        await client.ok("NOOP")
        assert await client.ok("FETCH 1 RFC822.HEADER") == [
            b"* 1 FETCH (RFC822.HEADER {14}\r\nSubject: x\r\n\r\n)"
        ]
        assert await client.ok("FETCH 1 FLAGS") == [b"* 1 FETCH (FLAGS ())"]
        assert await client.ok("FETCH 1 (RFC822.TEXT)") == [
            b"* 1 FETCH (RFC822.TEXT {4}\r\nbody FLAGS (\\Seen))"
        ]
        assert await client.ok("FETCH 1 RFC822") == [b"* 1 FETCH (RFC822 {18}\r\nSubject: x\r\n\r\nbody)"]


async def test_a_delivered_message_begins_with_its_own_lines(imap: ImapHub) -> None:
    head, body = b"Subject: x\r\nTo: a@example.org\r\n\r\n", b"hello"
    lines = b"Return-Path: <ann@example.org>\r\n"
    blob = await imap.kernel.services.blobs.put(head, body, b"{}")
    delivery = Delivery(imap.alice, "INBOX", lines)
    await imap.kernel.services.storage.accept(
        Acceptance(new_id(), blob, len(head), len(head + body), 0.0, None, (delivery,), ())
    )
    whole = lines + head + body
    async with await imap.logged_in(mailbox="INBOX") as client:
        assert await section(client, "") == whole
        assert await section(client, "HEADER") == lines + head
        assert await section(client, "TEXT") == body
        assert await section(client, "HEADER.FIELDS (Return-Path)") == lines + b"\r\n"
        (values,) = await client.ok("FETCH 1 RFC822.SIZE")
        assert values == b"* 1 FETCH (RFC822.SIZE %d)" % len(whole)
        for start in range(0, len(whole), 5):
            (line,) = await client.ok(f"FETCH 1 BODY.PEEK[]<{start}.7>")
            assert literal(line) == whole[start : start + 7]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\r\n",
        b"no header and no body",
        b"\xff\xfe\x00",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Content-Type: message/rfc822\r\n\r\n",
        b'Content-Type: \xff/\xfe; name="\xc3\xa4\r\n\xff"\r\n\r\n8 bit \xe4',
        b"Content-Type: text/plain; charset\r\nContent-Disposition: ;;;\r\n\r\n",
        b'From: "unclosed <a@b>, (comment (deep\r\nTo: group: a@b, c@d;, e@f\r\nDate: \xe4\r\n\r\n',
        b"Subject: bare lf\nFrom: a@b\n\nbody\n",
        b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: in\r\n\r\nx\r\n--d--",
    ],
    ids=lambda message: message[:24].decode("latin-1") or "empty",
)
async def test_a_broken_message_is_fetched_like_any_other(imap: ImapHub, message: bytes) -> None:
    message = message or b"\n"

    def talk() -> None:
        with imaplib.IMAP4("127.0.0.1", imap.port) as client:
            client.login("alice@example.test", "demo")
            assert client.append("INBOX", "", "", message)[0] == "OK"
            stored = re.sub(rb"\r\n|\r|\n", b"\r\n", message)  # imaplib makes line ends those of the network
            client.select()
            status, found = client.fetch(
                "1", "(FLAGS ENVELOPE BODY BODYSTRUCTURE BODY[TEXT] BODY.PEEK[1.MIME])"
            )
            assert status == "OK"
            status, found = client.fetch("1", "(BODY.PEEK[])")
            assert isinstance(found[0], tuple)
            assert found[0][1] == stored.replace(b"\x00", b"\x80")
            assert client.search(None, "TEXT", "nowhere") == ("OK", [b""])

    await imap.blocking(talk)


@given(
    st.lists(
        st.binary(max_size=6) | st.tuples(st.integers(0, 20), st.integers(0, 9)).map(lambda pair: Span(*pair))
    ),
    st.integers(0, 40),
    st.integers(1, 40),
)
def test_a_cut_counts_over_the_pieces(pieces: list[Piece], start: int, length: int) -> None:
    blob = bytes(range(100, 130))

    def octets(parts: list[Piece]) -> bytes:
        return b"".join(p if isinstance(p, bytes) else blob[p.offset : p.offset + p.length] for p in parts)

    found = cut(pieces, start, length)
    assert octets(found) == octets(pieces)[start : start + length]
    assert size(found) == len(octets(found))
