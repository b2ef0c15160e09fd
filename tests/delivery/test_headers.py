"""The lines that the hub writes into a message."""

from __future__ import annotations

import email.utils

import pytest

from hub.delivery.headers import date, delivery_lines, literal, received, received_count, with_protocol
from hub.hooks.session import TlsInfo
from hub.mail.address import Address
from hub.mail.envelope import Envelope
from hub.mail.login import AccountRef, Identity
from hub.smtp.session import SmtpSession

BOB = Address("bob", "example.test")
TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")
ALICE = Identity(AccountRef("default", "alice"), "alice", Address("alice", "example.test"))


def session(greeting: str = "client.example", host: str = "192.0.2.1") -> SmtpSession:
    """A session of another server."""
    return SmtpSession("s", "smtp", "smtp", (host, 4711), ("192.0.2.2", 25), greeting=greeting)


@pytest.mark.parametrize("seconds", [0, 1.9, 951782399, 951782400, 1700000000, 4102444800])
def test_dates_are_what_others_read_and_write(seconds: float) -> None:
    assert date(seconds) == email.utils.formatdate(int(seconds)).replace("-0000", "+0000")
    assert email.utils.parsedate_to_datetime(date(seconds)).timestamp() == int(seconds)


def test_received_names_a_single_recipient_only() -> None:
    one = received(session(), Envelope("id1", None, (BOB,)), "mx.example", 0, extended=True)
    assert one == (
        b"Received: from client.example ([192.0.2.1])\r\n\tby mx.example with ESMTP id id1"
        b"\r\n\tfor <bob@example.test>; Thu, 01 Jan 1970 00:00:00 +0000\r\n"
    )
    two = received(session(), Envelope("id1", None, (BOB, ALICE.address)), "mx.example", 0, extended=True)
    assert b"bob" not in two
    assert b"alice" not in two


@pytest.mark.parametrize("greeting", ["a b", "a)", "a;b", "a\r\nX: y", "ä", "(", "", "x" * 256, "[1.2.3.4"])
def test_greeting_that_could_be_misread_is_not_written_down(greeting: str) -> None:
    line = received(session(greeting), Envelope("id1", None, (BOB,)), "mx.example", 0, extended=True)
    assert line.startswith(b"Received: from unknown ([192.0.2.1])\r\n\tby ")


@pytest.mark.parametrize("greeting", ["mail.example.org", "my_host", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_greeting_that_is_plain_is_kept(greeting: str) -> None:
    line = received(session(greeting), Envelope("id1", None, (BOB,)), "mx.example", 0, extended=True)
    assert line.startswith(b"Received: from " + greeting.encode() + b" (")


def test_protocol_keyword_says_what_was_agreed_on() -> None:
    plain, utf8 = Envelope("i", None), Envelope("i", None, smtputf8=True)
    one = session()
    assert with_protocol(one, plain, extended=False) == "SMTP"
    assert with_protocol(one, plain, extended=True) == "ESMTP"
    assert with_protocol(one, utf8, extended=True) == "UTF8SMTP"
    one.identity = ALICE
    assert with_protocol(one, plain, extended=True) == "ESMTPA"
    one.tls = TLS
    assert with_protocol(one, plain, extended=True) == "ESMTPSA"
    assert with_protocol(one, utf8, extended=True) == "UTF8SMTPSA"
    one.identity = None
    assert with_protocol(one, plain, extended=True) == "ESMTPS"


def test_addresses_are_literals() -> None:
    assert literal("192.0.2.1") == "[192.0.2.1]"
    assert literal("2001:db8::1") == "[IPv6:2001:db8::1]"
    assert literal("fe80::1%eth0") == "[IPv6:fe80::1]"


def test_recipients_lines_quote_what_needs_it() -> None:
    odd = Address('a "b', "example.test")
    assert delivery_lines(None, odd) == (b'Return-Path: <>\r\nDelivered-To: "a \\"b"@example.test\r\n')


@pytest.mark.parametrize(
    ("head", "count"),
    [
        (b"", 0),
        (b"Received: a\r\n", 1),
        (b"A: b\r\nreceived: a\r\n\tReceived: folded\r\nRECEIVED: b\r\n", 2),
        (b"X-Received: a\r\nSubject: Received: x\r\n", 0),
    ],
)
def test_received_fields_are_counted(head: bytes, count: int) -> None:
    assert received_count(head) == count
