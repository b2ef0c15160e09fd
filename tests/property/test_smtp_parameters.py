"""What reads parameters, PROXY headers and dates takes any octets, and time in proportion to them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.accepting.header import SIGNATURE, BadHeader, parse, wanted
from hub.mail.sentdate import sent_date
from hub.mail.xtext import decode_utf8_xtext, decode_xtext
from hub.smtp.parameters import mail_parameters, rcpt_parameters
from hub.smtp.replies import Reply
from tests.property.growth import assert_linear, few, many, repeated

WORDS = (
    b"SIZE=", b"BODY=8BITMIME", b"BODY=BINARYMIME", b"SMTPUTF8", b"AUTH=<>", b"RET=FULL", b"ENVID=",
    b"NOTIFY=", b"ORCPT=",
    b"rfc822;", b"utf-8;", b"NEVER", b"SUCCESS", b"FAILURE,DELAY", b",", b";", b"=", b"+", b"+41",
    b"+C3+A9", b"+FF",
    b"\\x{41}", b"\\x{D800}", b"\\x{110000}", b"\\x{", b"}", b"a@b", b" ", b"\t", b"\0", b"\xff",
    "é".encode(), b"-",
    b"99999999999999999999", b"1 Feb 2026 10:00:00 +0100", b"Mon, ", b"31 Feb", b"0", b"-1", b":", b"(c)",
    b"Date: ",
    b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"127.0.0.1 ", b"::1 ", b"25 65535", b"\r\n", b"\r", b"\n",
    SIGNATURE,
    SIGNATURE + b"\x21\x11\0\x0c", SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x21\x21\0\x24",
    b"\x7f\0\0\1" * 3,
)  # fmt: skip
OCTETS = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=12).map(b"".join)
PIECE = st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)


def mail(octets: bytes) -> None:
    found = mail_parameters(octets, extended=True)
    assert not isinstance(found, Reply) or found.code in (501, 555)


def rcpt(octets: bytes) -> None:
    found = rcpt_parameters(octets, extended=True)
    assert not isinstance(found, Reply) or found.code in (501, 555)


def xtext(octets: bytes) -> None:
    for decode in (decode_xtext, decode_utf8_xtext):
        with suppress(ValueError):
            decode(octets.decode("utf-8", "replace")).encode()


def proxy(octets: bytes) -> None:
    """As the listener does: ask for octets until the header is whole."""
    header, at = b"", 0
    with suppress(BadHeader):
        while missing := wanted(header):
            if at >= len(octets):
                return
            header += octets[at : at + missing]
            at += missing
        found = parse(header)
        assert found is None or 0 <= found.peer[1] <= 65535


def dates(octets: bytes) -> None:
    sent_date(octets)


READERS: tuple[Callable[[bytes], object], ...] = (mail, rcpt, xtext, proxy, dates)


@pytest.mark.parametrize("reader", READERS)
def test_any_octets_are_read_or_refused(reader: Callable[[bytes], object]) -> None:
    @many
    @given(OCTETS)
    @example(b"1 Feb 99999999999999999999 10:00")
    @example(b"Mon, 1 Feb 2026 99999:99999:99999 +99999999")
    def check(octets: bytes) -> None:
        reader(octets)

    check()


@pytest.mark.parametrize("reader", READERS)
def test_four_times_the_octets_take_four_times_the_work(reader: Callable[[bytes], object]) -> None:
    @few
    @given(repeated(PIECE))
    def check(make: Callable[[int], bytes]) -> None:
        assert_linear(reader, make)

    check()


@many
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40))
def test_what_was_written_as_xtext_is_read_again(text: str) -> None:
    written = "".join(f"+{ord(each):02X}" if each in "+= " else each for each in text)
    assert decode_xtext(written) == text
