"""What reads messages and addresses takes any octets, and time in proportion to them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.delivery.headers import own_message_id, received_count
from hub.imap.bodystructure import body_structure
from hub.imap.envelope import envelope
from hub.mail.address import Address, AddressError, parse_path
from hub.mail.encoded import decode_base64, decode_charset, decode_quoted_printable, decode_words
from hub.mail.headers import Headers, addresses
from hub.mail.ident import is_id
from hub.mail.parameters import find_parameter, parse_value
from hub.mail.searchtext import body_texts, header_text
from hub.mail.structure import MAX_PARTS, Structure, decoded, text
from tests.property.growth import assert_linear, few, many, repeated

WORDS = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b"\xff", b":", b";", b",", b"=", b"<", b">", b"@", b"(",
    b")", b"[",
    b"]", b'"', b"\\", b"'", b"*", b"?", b"%", b"--", b"-", b".", b"_", b"/", b"a", b"b", b"0", b"--x",
    b"--x--",
    b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b"=41", b"*0*=", b"*=utf-7''", b"%41",
    b"Content-Type: multipart/mixed; ",
    b"boundary=x", b'boundary="', b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: multipart/digest",
    b"charset=", b"From", b"Date: 1 Jan", b"Received:", b"Content-Transfer-Encoding: base64\r\n", b"\r\n\r\n",
    "é".encode(), "\u2028".encode(), b"=?utf-7?q?+/", b"=?iso-2022-jp?b?GyRC?=", b"xn--", b"IPv6:",
)  # fmt: skip
OCTETS = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=40).map(b"".join)
PIECE = st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)


def paths(octets: bytes) -> None:
    for utf8 in (False, True):
        with suppress(AddressError):
            address, rest = parse_path(octets, utf8=utf8)
            assert isinstance(rest, bytes)
            if address is not None:
                assert address.ascii_domain.isascii()


def address(octets: bytes) -> None:
    with suppress(AddressError):
        found = Address.parse(octets.decode("utf-8", "surrogateescape"))
        assert Address.parse(str(found)) == found


def headers(octets: bytes) -> None:
    found = Headers(octets)
    assert len(found.names()) == len(list(found))
    for name in ("From", "Content-Type", "a"):
        assert (found.get(name) is None) == (name not in found)
        found.get_all(name)
    assert len(found.select(["From", "a"])) + len(found.omit(["From", "a"])) <= len(found.block)
    header_text(found)
    received_count(octets)
    own_message_id(octets)


def structure(octets: bytes) -> None:
    found = Structure(octets)
    parts = list(found.walk())
    assert len(parts) <= MAX_PARTS
    for part in parts:
        assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(octets)
        assert 0 <= part.lines <= part.size
        assert part.filename is None or "\n" not in part.filename


def bodies(octets: bytes) -> None:
    root = Structure(octets).root
    decoded(root, octets)
    text(root, octets)
    tuple(body_texts(Structure(octets), octets))


def shown(octets: bytes) -> None:
    for response in (
        body_structure(Structure(octets).root, octets, extended=True),
        envelope(Headers(octets)),
    ):
        assert response.startswith(b"(")
        assert response.endswith(b")")


def words(octets: bytes) -> None:
    found = decode_words(octets)
    assert "\n" not in found
    assert "\r" not in found


def parameters(octets: bytes) -> None:
    _, found = parse_value(octets)
    for name in (b"charset", b"boundary", b"a"):
        value = find_parameter(found, name)
        assert value is None or "\n" not in value


def charsets(octets: bytes) -> None:
    for charset in ("utf-7", "iso-2022-jp", "hz", "utf-16", "gb18030", "big5", "euc-kr", "idna", "nobody's"):
        decode_charset(octets, charset)


def idents(octets: bytes) -> None:
    assert is_id(octets.decode("latin-1")) in (True, False)


READERS: tuple[Callable[[bytes], object], ...] = (
    paths, address, headers, structure, bodies, shown, words, parameters, charsets, idents, addresses,
    decode_base64, decode_quoted_printable,
)  # fmt: skip


@pytest.mark.proves("security: no octets make a parser of mail fail")
@pytest.mark.parametrize("reader", READERS)
def test_any_octets_are_read_or_refused(reader: Callable[[bytes], object]) -> None:
    @many
    @given(OCTETS)
    @example(b"")
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


def _nested(size: int) -> bytes:
    """Multiparts in multiparts, each with a boundary of its own, all left open."""
    head = b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n"
    return b"".join(head % (number, number) for number in range(size // 64))


TRAPS: tuple[Callable[[int], bytes], ...] = (
    _nested,
    lambda size: b"Content-Type: message/rfc822\r\n\r\n" * (size // 32),
    lambda size: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n" * (size // 7),
    lambda size: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"\r\n--x--" * (size // 7),
    lambda size: b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"\r\n--y" * (size // 5),
    lambda size: b"Content-Type: multipart/digest; boundary=x\r\n\r\n" + b"--x\n\n" * (size // 5),
    lambda size: b"Content-Type: text/plain" + b"".join(b";a*%d=b" % n for n in range(size // 8)),
    lambda size: b"Content-Type: text/plain" + b";\r\n a*0*=''%41" * (size // 14),
    lambda size: b"From: " + b"(" * size,
    lambda size: b"From: " + b"(a)" * (size // 3) + b"<a@b>",
    lambda size: b"From: " + b"a:" * (size // 2) + b";" * 9,
    lambda size: b"From: " + b"a <" * (size // 3),
    lambda size: b"From: " + b"@a," * (size // 3) + b":b@c",
    lambda size: b"From: " + b'"\\' * (size // 2),
    lambda size: b"From: " + b'"a" ' * (size // 4) + b"@b",
    lambda size: b"From: " + b"[" * size,
    lambda size: b"From: " + b"a." * (size // 2) + b"@b",
    lambda size: b"Subject: " + b"=?" * (size // 2),
    lambda size: b"Subject: " + b"=?a?q?" * (size // 6),
    lambda size: b"Subject: " + b"=?a?q?b?=" * (size // 9),
    lambda size: b"Subject: " + b"=?utf-7?b?KysrKw==?= " * (size // 21),
    lambda size: b"Subject: " + b"=" * size + b"?=",
    lambda size: b"Subject:" + b"\r\n " * (size // 3),
    lambda size: b"a:\r\n" * (size // 4),
    lambda size: b"a \t" * (size // 3) + b":",
    lambda size: b"\n" * size,
    lambda size: b"\r" * size,
    lambda size: b"\n--" * (size // 3),
    lambda size: b"<" + b"@a," * (size // 3) + b"@b:c@d>",
    lambda size: b"<" + b"@a," * (size // 3),
    lambda size: b"<" + b"a." * (size // 2) + b"a@b>",
    lambda size: b'<"' + b"\\a" * (size // 2) + b'"@b>',
    lambda size: b"<a@" + b"b." * (size // 2) + b"c>",
    lambda size: b"<a@" + b"b" * size + b">",
    lambda size: b"<a@" + "é.".encode() * (size // 3) + b">",
    lambda size: b" " * size + b"<a@b>",
    lambda size: b"<a@b>" + b" A=" * (size // 3),
    lambda size: b"(" * (size // 2) + b")" * (size // 2),
    lambda size: b"=\r\n" * (size // 3),
    lambda size: b"QQ=" * (size // 3),
)


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_for_parsers_take_linear_time(trap: Callable[[int], bytes]) -> None:
    for reader in READERS:
        assert_linear(reader, trap)
