"""Encoded words, charsets and transfer encodings, as mail has them and not only as the RFCs do."""

from __future__ import annotations

import base64
import encodings
import quopri
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.encoded import decode_base64, decode_charset, decode_quoted_printable, decode_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?h=C3=A4_h?=", "hä h"),
        (b"=?ISO-8859-1?B?5Q==?= x =?us-ascii?Q?y?=", "å x y"),
        (b"a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
        (b"=?utf-8?q?b?=\t \t=?utf-8?q?c?=", "bc"),
        (b"=?utf-8?q?=C3=A4?= =?latin1?q?=e4?=", "ää"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),  # one character cut in two
        (b"=?utf-8?b?w6Q?=", "ä"),  # no padding
        (b"=?utf-8?q?two words?=", "two words"),
        (b"=?utf-8*de?q?x?=", "x"),  # RFC 2231 section 5
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?abc", "=?utf-8?q?abc"),
        (b"=??q?abc?=", "=??q?abc?="),
        (b"=?no-such?q?=C3=A4?=", "ä"),
        ("hä".encode(), "hä"),
        (b"h\xe4", "hä"),
        (b"=?utf-8?q?=0D=0ABcc:_x=00?=", "  Bcc: x "),
        (b"a\rb", "a b"),
        (b"=?utf-8?q?=ZZ=3?=", "=ZZ=3"),
    ],
)
def test_header_text(value: bytes, text: str) -> None:
    assert decode_words(value) == text


@given(st.binary(max_size=200) | st.text("=?utf-8qQbB _AZ09\r\n", max_size=60).map(str.encode))
def test_header_text_is_one_line_whatever_comes(value: bytes) -> None:
    text = decode_words(value)
    assert len(text.splitlines()) <= 1
    assert "\0" not in text


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        ("UTF-8", "ä".encode(), "ä"),
        ("utf8", "ä".encode(), "ä"),
        ("ISO_8859-1:1987", b"\xe4", "ä"),
        ("windows-1252", b"\x80", "€"),
        ("koi8-r", "привет".encode("koi8-r"), "привет"),
        ("gb2312", "€".encode("gb18030"), "€"),  # outside of GB 2312, and what is meant
        ("ks_c_5601-1987", "똠".encode("cp949"), "똠"),
        ("Shift_JIS", "①".encode("cp932"), "①"),
        ("iso-2022-jp", "日本".encode("iso-2022-jp"), "日本"),
        ("us-ascii", "ä".encode(), "ä"),
        ("us-ascii", b"\xe4", "ä"),
        ("", b"\xe4", "ä"),
        ("utf-8", b"a\xff", "a\ufffd"),
        ("punycode", b"a-b", "a-b"),
        ("unicode_escape", b"\\d", "\\d"),
        ("base64", b"YQ==", "YQ=="),
        ("rot13", b"a", "a"),
        ("../../etc", b"a", "a"),
        ("x\0y", b"a", "a"),
    ],
)
def test_charset_text(charset: str, data: bytes, text: str) -> None:
    assert decode_charset(data, charset) == text


@given(st.sampled_from(sorted({*aliases, *aliases.values(), "koi8-u", "cp874"})), st.binary(max_size=40))
def test_no_charset_fails_on_any_octets(charset: str, data: bytes) -> None:
    assert len(decode_charset(data, charset)) <= len(data) + 1  # some hold a sign and its accent in one octet


def test_unknown_charsets_leave_nothing_behind() -> None:
    cache = encodings._cache
    before = len(cache)
    for i in range(50):
        decode_charset(b"x", f"invented-{i}")
    assert len(cache) == before


@given(st.binary(max_size=300))
def test_transfer_encodings_invert_the_standard_library(data: bytes) -> None:
    assert decode_base64(base64.encodebytes(data)) == data
    assert decode_base64(base64.b64encode(data).rstrip(b"=")) == data
    assert decode_quoted_printable(quopri.encodestring(data)) == data


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"YQ==\r\nYg==", b"ab"),
        (b"Y!Q=*=", b"a"),
        (b"YWJ", b"ab"),
        (b"YWJjZ", b"abc"),
        (b"Z", b""),
        (b"====", b""),
        (b"\xff\x00", b""),
    ],
)
def test_damaged_base64_gives_what_is_left(text: bytes, data: bytes) -> None:
    assert decode_base64(text) == data


@given(st.binary(max_size=100))
def test_any_octets_decode(data: bytes) -> None:
    assert len(decode_base64(data)) <= len(data)
    assert len(decode_quoted_printable(data)) <= len(data)
