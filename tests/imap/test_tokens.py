"""The tokenizer on what clients send and on what nobody should."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.imap.attributes import parse_attributes
from hub.imap.replies import Refused, Reply
from hub.imap.tokens import Reader

READS: tuple[Callable[[Reader], object], ...] = (
    Reader.atom,
    Reader.string,
    Reader.astring,
    Reader.mailbox,
    Reader.list_mailbox,
    Reader.number,
    Reader.sequence_set,
    Reader.flag,
    Reader.flags,
    Reader.date,
    Reader.date_time,
    Reader.space,
    Reader.end,
    lambda reader: reader.text("a text"),
    lambda reader: reader.flags(bare=True),
    parse_attributes,
)
PROTOCOL = st.text('()[]{}<>"\\*:,%& ~+-.=?/0123456789ABCDEFhlt\t\r\x00é', max_size=60).map(str.encode)


def attempt(read: Callable[[Reader], object], subject: Reader) -> Reply | None:
    """The refusal, if it comes to one."""
    try:
        read(subject)
    except Refused as refused:
        return refused.reply
    return None


def reader(text: bytes) -> Reader:
    return Reader([text], [])


@given(st.binary(max_size=80) | PROTOCOL, st.sampled_from(READS))
@example(b'"\\', Reader.string)
@example(b"{5}", Reader.string)
@example(b'"31-Dec-9999 23:59:60 -9959"', Reader.date_time)
@example(b'"01-Jan-0001 00:00:00 +2359"', Reader.date_time)
@example(b"1-Jan-0000", Reader.date)
def test_octets_are_read_or_refused(octets: bytes, read: Callable[[Reader], object]) -> None:
    subject = reader(octets)
    refusal = attempt(read, subject)
    if refusal is None:
        assert 0 <= subject.at <= len(octets)
    else:
        assert refusal.condition in (b"BAD", b"NO")
        assert refusal.text.isascii()
        assert not set(refusal.text) & set(b"\r\n")


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_literals_come_back_as_they_were_sent(literals: list[bytes]) -> None:
    pieces = [b"{%d}" % len(literals[0])]
    pieces += [b" {%d+}" % len(literal) for literal in literals[1:]]
    subject = Reader([*pieces, b""], literals)
    found = [subject.string()]
    while not subject.at_end():
        subject.space()
        found.append(subject.astring())
    assert found == literals


@given(st.binary(max_size=40).filter(lambda octets: not set(octets) & set(b"\r\n\x00")))
def test_a_quoted_string_comes_back_as_it_was_quoted(octets: bytes) -> None:
    quoted = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    assert reader(b'"' + quoted + b'"').string() == octets


@pytest.mark.parametrize(
    "octets",
    [
        b'"' + b"\\\\" * 100_000,
        b'"' + b"a" * 250_000,
        b"1:" * 100_000,
        b"1," * 100_000,
        b"*:*," * 50_000,
        b"(" * 250_000,
        b"[" * 250_000,
        b"(\\Seen" * 40_000,
        b"BODY[" + b"1." * 100_000,
        b"BODY[HEADER.FIELDS (" + b"a " * 100_000,
        b"&" * 250_000,
        b"%*" * 100_000,
        b"9" * 250_000,
    ],
    ids=lambda octets: octets[:12].decode(),
)
def test_a_long_malformed_line_costs_no_more_than_its_octets(octets: bytes) -> None:
    for read in READS:
        refusal = attempt(read, reader(octets))
        assert refusal is None or len(refusal.text) < 400


def test_a_set_of_a_hundred_thousand_elements_is_read() -> None:
    numbers = range(1, 200_000, 2)
    found = reader(",".join(map(str, numbers)).encode()).sequence_set()
    assert [low for low, _ in found] == list(numbers)


@pytest.mark.parametrize(
    ("octets", "seconds"),
    [
        (b'"01-Jan-1970 00:00:10 +0000"', 10),
        (b'" 1-Jan-1970 01:00:00 +0100"', 0),
        (b'"01-Feb-2026 12:00:00 -0530"', 1769967000),
    ],
)
def test_a_date_and_time_is_read_with_its_zone(octets: bytes, seconds: int) -> None:
    assert reader(octets).date_time() == seconds


def test_flags_are_spelled_as_in_the_rfc() -> None:
    assert reader(b"(\\SEEN \\recent $Forwarded)").flags() == {"\\Seen", "$Forwarded"}
    assert reader(b"\\seen \\draft").flags(bare=True) == {"\\Seen", "\\Draft"}
    assert reader(b"()").flags() == frozenset()
