"""ENVELOPE and BODYSTRUCTURE as the RFC writes them, and lawful whatever the message is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.imap.bodystructure import body_structure
from hub.imap.envelope import envelope
from hub.imap.render import nstring
from hub.imap.summaries import make_summary
from hub.mail.headers import Headers, split_head
from hub.mail.mailboxes import addresses
from hub.mail.structure import Structure

PIECES = ["\r\n ", "é", "Ann", "a@b.c", " <x@y.z>, ", *'ab.@<>(),;:"\\ -_=?\t[]1']
WORDS = st.lists(st.sampled_from(PIECES), max_size=30).map(lambda pieces: "".join(pieces).encode())


def listed(value: bytes) -> bytes:
    """An address list by the full parser."""
    found = [b"(%b %b %b %b)" % tuple(map(nstring, address)) for address in addresses(value)]
    return b"(%b)" % b"".join(found) if found else b"NIL"


def fields(message: bytes) -> bytes:
    return envelope(Headers(message))


@given(WORDS)
def test_plain_addresses_read_as_by_the_full_parser(value: bytes) -> None:
    unfolded = Headers(b"To: " + value + b"\r\n\r\n").raw("To")
    assert unfolded is not None
    assert fields(b"To: " + value + b"\r\n\r\n") == (
        b"(NIL NIL NIL NIL NIL %b NIL NIL NIL NIL)" % listed(unfolded)
    )


@pytest.mark.parametrize(
    "value",
    [
        b"a@b.example",
        b"<a@b.example>",
        b'Ann Example <ann@b.example>, "Example, Bob" <bob@b.example>',
        b"=?utf-8?q?J=C3=BCrgen?= <j@b.example>",
        b" a@b.example ,c@d.example",
        b'" x " <a@b.example>',
        b"a@b.example,",
        b"<a@b.example",
        b"a@b.example>",
        b"Ann  Two <a@b.example>",
        b"John Q. Public <j@b.example>",
        b"a@[192.0.2.1]",
        b"a@b.example (Ann)",
        b"undisclosed-recipients:;",
        b"x" * 5000 + b"@b.example",
    ],
)
def test_an_address_list_reads_as_by_the_full_parser(value: bytes) -> None:
    assert fields(b"Cc: " + value + b"\r\n\r\n") == (
        b"(NIL NIL NIL NIL NIL NIL %b NIL NIL NIL)" % listed(value.strip())
    )


def test_the_envelope_of_the_rfc() -> None:
    # RFC 3501 §8
    message = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.edu\r\n"
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n"
    )
    gray = b'(("Terry Gray" NIL "gray" "cac.washington.edu"))'
    assert fields(message) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
        + gray + b" " + gray + b" " + gray
        + b' ((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
        b'"<B27397-0100000@cac.washington.edu>")'
    )  # fmt: skip


def test_sender_and_reply_to_are_their_own_where_they_are_given() -> None:
    found = fields(b"From: a@x.example\r\nSender: s@x.example\r\nReply-To: r@x.example\r\n\r\n")
    for local in (b"a", b"s", b"r"):
        assert b'((NIL NIL "%b" "x.example"))' % local in found


def test_what_cannot_be_quoted_is_a_literal() -> None:
    assert b"{6}\r\ngr\xc3\xbc\xc3\x9f" in fields("Subject: grüß\r\n\r\n".encode())
    assert b'"say \\"hi\\" \\\\"' in fields(b'Subject: say "hi" \\\r\n\r\n')


def structure(message: bytes, *, extended: bool = True) -> bytes:
    return body_structure(Structure(message).root, message, extended=extended)


def test_a_text_message_has_lines_and_a_charset() -> None:
    message = b"Content-Type: TEXT/Plain; charset=utf-8\r\n\r\none\r\ntwo\r\n"
    assert structure(message, extended=False) == b'("TEXT" "Plain" ("charset" "utf-8") NIL NIL "7BIT" 10 2)'
    assert structure(message) == b'("TEXT" "Plain" ("charset" "utf-8") NIL NIL "7BIT" 10 2 NIL NIL NIL NIL)'


def test_a_multipart_is_a_list_of_its_parts() -> None:
    message = (
        b"Content-Type: multipart/mixed; boundary=x\r\nContent-Language: de, en\r\n\r\n"
        b"--x\r\n\r\nhi\r\n--x\r\n"
        b"Content-Type: image/png; name=a.png\r\nContent-ID: <1@x>\r\nContent-Description: picture\r\n"
        b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.png\r\n"
        b"Content-MD5: abc==\r\nContent-Location: http://x/\r\n\r\nAAAA\r\n--x--\r\n"
    )
    text = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 2 0'
    image = b'("image" "png" ("name" "a.png") "<1@x>" "picture" "base64" 4'
    assert structure(message, extended=False) == b'(%b)%b) "mixed")' % (text, image)
    assert structure(message) == (
        b"(" + text + b" NIL NIL NIL NIL)" + image
        + b' "abc==" ("attachment" ("filename" "a.png")) NIL "http://x/")'
        b' "mixed" ("boundary" "x") NIL ("de" "en") NIL)'
    )  # fmt: skip


def test_a_carried_message_brings_its_envelope_and_structure() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody\r\n"
    assert structure(message, extended=False) == (
        b'("message" "rfc822" NIL NIL NIL "7BIT" 21 (NIL "in" NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7BIT" 6 1) 3)'
    )


def balanced(value: bytes) -> bool:
    """Whether the octets are one parenthesised list of strings, numbers and NIL."""
    at = depth = 0
    token = re.compile(rb'\(|\)|"(?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*"|\{(\d+)\}\r\n|NIL|\d+| ')
    while at < len(value):
        found = token.match(value, at)
        if found is None or (at and depth == 0):
            return False
        at = found.end() + (int(found[1]) if found[1] else 0)
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
    return depth == 0 and at == len(value)


MIME = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=x\r\n",
            b"Content-Type: multipart/alternative; boundary=\"y z\"\r\n",
            b"Content-Type: message/rfc822\r\n",
            b"Content-Type: text/html; charset=\"a\\\"b\"; name*0=x; name*1=\xe4\r\n",
            b"Content-Disposition: attachment; filename=\"\xc3\xa4\r\n",
            b"Content-Language: a, , b\r\n",
            b"Content-ID: <\x00>\r\n",
            b"From: \"A, (B\" <a@b>, group: c@d;\r\n",
            b"\r\n",
            b"--x\r\n",
            b"--x--\r\n",
            b"--y z\r\n",
            b"text\r\n",
            b"\n",
        ]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(MIME)
def test_every_message_has_a_lawful_structure_and_envelope(message: bytes) -> None:
    assert balanced(structure(message))
    assert balanced(structure(message, extended=False))
    assert balanced(fields(message))
    made = make_summary(b"Return-Path: <>\r\n", message[: split_head(message)], message, Structure(message))
    assert made.outline is not None
    for octets in (made.heading.envelope, made.outline.body, made.outline.bodystructure):
        assert octets is not None
        assert balanced(octets)
    assert balanced(b"(%b)" % made.outline.preview)


def test_a_message_that_is_nested_as_deep_as_can_be_has_a_summary() -> None:
    level = b"Content-Type: multipart/mixed; boundary=%d\r\nSubject: \xe4=?x?B?/?=\r\n\r\n--%d\r\n"
    message = b"".join([level % (number, number) for number in range(3000)])
    made = make_summary(b"", message[: split_head(message)], message, Structure(message))
    assert made.heading.envelope is not None
    assert balanced(made.heading.envelope)
    assert made.heading.keys.subject


def test_what_is_too_long_to_be_kept_is_left_out_of_a_summary() -> None:
    message = b"To: %b\r\n\r\n" % b", ".join([b"a%d@example.org" % number for number in range(2000)])
    made = make_summary(b"", message, message, Structure(message))
    assert made.heading.envelope is None
    assert made.heading.keys.to == b"A0"
