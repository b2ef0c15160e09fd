"""What SORT and THREAD compare: dates, addresses, ids and the comparator."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.casemap import casemap
from hub.mail.headers import Headers
from hub.mail.references import MAX_REFERENCES, message_ids, references
from hub.mail.sentdate import days, sent_date
from hub.mail.sortkeys import sort_keys


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Sun, 1 Feb 2026 23:30:00 -0800", 1770017400),
        (b"1 Feb 2026 23:30 +0000 (comment)", 1769988600),
        (b"Sun, 01-Feb-26 23:30:00 GMT", 1769988600),
        (b"Sun, 1 Feb 2026 23:30:00 EST", 1770006600),
        (b"Sun, 1 Feb 2026 25:61:00 +0000", 1769904000),  # no such time
        (b"Sun, 1 Feb 2026 23:30:00 +9999", 1769988600),  # no such zone
        (b"Sun, 31 Feb 2026 23:30:00 +0000", None),
        (b"nonsense", None),
        (b"", None),
    ],
)
def test_a_date_is_read_as_far_as_it_goes(value: bytes, seconds: int | None) -> None:
    found = sent_date(value)
    assert (found and found.seconds) == seconds
    assert found is None or found.day == days(2026, 2, 1)


@given(st.binary(max_size=60))
def test_no_date_is_an_error(value: bytes) -> None:
    sent_date(value)


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (b"<a@b> <c@d>", [b"a@b", b"c@d"]),
        (b'<"a"@b>', [b"a@b"]),
        (b'<"a \\"b"@c>', [b'a "b@c']),
        (b"< a@b >", [b"a@b"]),
        (b"<a@[1.2.3.4]>", [b"a@[1.2.3.4]"]),
        (b"word <a> <@b> <a@> <<c@d>", [b"c@d"]),
        (b"<a@b", []),
    ],
)
def test_ids_are_compared_without_their_quoting(value: bytes, ids: list[bytes]) -> None:
    assert list(message_ids(value)) == ids


def test_references_are_those_of_the_field_or_the_first_that_is_answered() -> None:
    assert references(Headers(b"In-Reply-To: Ann's of <a@b> <c@d>\r\n")) == (b"a@b",)
    assert references(Headers(b"References: <x@y>\r\n <z@y>\r\nIn-Reply-To: <a@b>\r\n")) == (b"x@y", b"z@y")
    assert references(Headers(b"References: nothing\r\nIn-Reply-To: <a@b>\r\n")) == (b"a@b",)
    many = b" ".join(b"<%d@x>" % number for number in range(5000))
    found = references(Headers(b"References: " + many + b"\r\n"))
    assert (found[0], found[1], found[-1], len(found)) == (b"0@x", b"4001@x", b"4999@x", MAX_REFERENCES)


def test_the_keys_of_a_message() -> None:
    keys = sort_keys(
        Headers(
            b"From: =?utf-8?q?J=C3=BCrgen?= <JG@x.example>, b@y\r\nTo: friends: a@b;\r\nCc: c@d\r\n"
            b"Subject: Re: =?utf-8?q?=C3=9Cber?= \r\nMessage-ID: <1@x>\r\n"
        )
    )
    assert keys.sent is None
    assert (keys.subject, keys.is_reply) == ("U\u0308BER".encode(), True)
    assert (keys.sender, keys.sender_name) == (b"JG", "JU\u0308RGEN".encode())
    assert (keys.to, keys.to_name) == (b"FRIENDS", b"FRIENDS")
    assert (keys.cc, keys.message_id) == (b"C", b"1@x")
    bare = sort_keys(Headers(b"From: c@d\r\n"))
    assert (bare.sender_name, bare.to, bare.to_name, bare.message_id) == (b"C@D", b"", b"", b"")


@given(st.binary(max_size=300))
def test_no_header_is_an_error(block: bytes) -> None:
    sort_keys(Headers(b"From: " + block + b"\r\nSubject: " + block + b"\r\nReferences: " + block))


@given(st.text())
def test_the_comparator_maps_once(text: str) -> None:
    mapped = casemap(text)
    assert casemap(mapped.decode("utf-8", "surrogatepass")) == mapped


@pytest.mark.parametrize(("one", "other"), [("Straße", "sTRAße"), ("é", "E\u0301"), ("ﬁ", "FI"), ("ǆ", "ǅ")])
def test_equal_in_spite_of_case_and_composition(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)
