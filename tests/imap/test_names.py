"""Mailbox names on the wire, and the wildcards of LIST."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.imap.names import canonical, check_new, decode_name, encode_name, matcher


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_name_comes_back_as_it_was_encoded(name: str) -> None:
    encoded = encode_name(name)
    assert encoded.isascii()
    assert all(0x20 <= octet <= 0x7E for octet in encoded)
    assert decode_name(encoded) == canonical(name)


@pytest.mark.parametrize(
    ("octets", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),  # RFC 3501 §5.1.3
        (b"R&AOk-sum&AOk-", "Résumé"),
        (b"a&-b", "a&b"),
        (b"&2D3eAA-", "😀"),
        (b"Tom & Jerry", "Tom & Jerry"),
        ("Entwürfe".encode(), "Entwürfe"),
        (b"inbox", "INBOX"),
        (b"iNbOx/sub", "INBOX/sub"),
        (b"inboxes", "inboxes"),
    ],
)
def test_a_name_is_decoded(octets: bytes, name: str) -> None:
    assert decode_name(octets) == name


@pytest.mark.parametrize("octets", [b"&AB-", b"&ZeV!-", b"&2D0-", b"\xff\xfe"])
def test_what_is_no_name_is_refused_with_a_sentence(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"modified UTF-7 \(RFC 3501"):
        decode_name(octets)


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "a*", "50%", "a\tb", "x" * 1001])
def test_a_name_that_no_mailbox_may_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"[Nn]ame"):
        check_new(name)


@given(st.text("ab/*%", max_size=10), st.text("ab/", max_size=10))
def test_wildcards_match_as_the_rfc_says(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^/]*"}.get(c, re.escape(c)) for c in pattern)
    assert matcher(pattern)(name) == bool(re.fullmatch(expression, name, re.DOTALL))


def test_a_pattern_of_many_wildcards_does_not_explode() -> None:
    assert not matcher("*a%" * 300)("a" * 299 + "/" + "b" * 700)
    assert matcher("%a*" * 250)("a" * 1000)
