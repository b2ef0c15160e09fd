"""What a client offers, read from the octets of real clients, and of those that are none."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.tls.hello import LIMIT, CutOff, Hello, NotHello, read_hello
from tests.property.growth import assert_linear, many


def hello_of(**settings: object) -> bytes:
    """What Python's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, value in settings.items():
        if name == "ciphers":
            context.set_ciphers(str(value))
        elif name == "alpn":
            context.set_alpn_protocols([str(value)])
        else:
            setattr(context, name, value)
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="mx.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HELLO = hello_of(alpn="smtp")
BODY = HELLO[5:]


def fragments(size: int) -> bytes:
    """The same hello in records of so many octets."""
    pieces = (BODY[at : at + size] for at in range(0, len(BODY), size))
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def test_a_modern_client() -> None:
    hello = read_hello(HELLO)
    assert hello.versions == (0x0304, 0x0303)
    assert {0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F} <= set(hello.ciphers)
    assert hello.groups[0] == 0x001D
    assert set(hello.shares) <= set(hello.groups)
    assert 0x0403 in hello.signatures
    assert (hello.server_name, hello.protocols) == ("mx.example.test", ("smtp",))
    assert not hello.wants_status
    assert {0, 10, 13, 16, 43, 51} <= set(hello.extensions)


def test_an_old_client() -> None:
    octets = hello_of(maximum_version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-SHA256")
    hello = read_hello(octets)
    assert hello.versions == (0x0303,)
    assert hello.ciphers == (0xC027, 0x00FF)
    assert hello.protocols == ()


def test_a_client_without_extensions() -> None:
    body = b"\x03\x01" + bytes(32) + b"\0" + b"\0\x02\0\x2f" + b"\x01\0"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    octets = b"\x16\x03\0" + len(message).to_bytes(2, "big") + message
    assert read_hello(octets) == Hello((0x0301,), (0x2F,))


def test_a_client_of_ssl_2() -> None:
    octets = b"\x80\x2e\x01\x00\x02\x00\x06\x00\x00\x00\x10\x01\x00\x80\x07\x00\xc0" + bytes(16)
    assert read_hello(octets) == Hello((0x0002,), (0x010080, 0x0700C0))


@pytest.mark.parametrize("size", [1, 7, 100, 16384])
def test_records_may_cut_it_anywhere(size: int) -> None:
    assert read_hello(fragments(size)) == read_hello(HELLO)
    assert read_hello(fragments(size) + b"what follows") == read_hello(HELLO)


def test_grease_means_nothing() -> None:
    at = HELLO.index(b"\x13\x02\x13\x03")
    assert read_hello(HELLO[:at] + b"\x0a\x0a\xfa\xfa" + HELLO[at + 4 :]).ciphers[:1] != (0x0A0A,)


def test_what_has_not_come_is_waited_for() -> None:
    for end in range(len(HELLO)):
        with pytest.raises(CutOff):
            read_hello(HELLO[:end])


@pytest.mark.parametrize("octets", [HELLO, fragments(1)])
def test_a_hello_that_drips_in_is_read_a_few_times(octets: bytes) -> None:
    at = times = 0
    while True:
        times += 1
        try:
            assert read_hello(octets[:at]) == read_hello(HELLO)
        except CutOff as cut:
            at += cut.missing
            assert at <= len(octets)
        else:
            break
    assert times < 100


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"EHLO client.example\r\n", "record of type 69"),
        (b"\x16\x02\x01\0\x05hello", "no record of TLS"),
        (b"\x16\x03\x01\0\x04\x02\0\0\0", "message of type 2"),
        (b"\x16\x03\x01\0\0\x01", "has 0 octets"),
        (b"\x16\x03\x01\x41\0\x01", "has 16640 octets"),
        (b"\x16\x03\x01\0\x04\x01\xff\xff\xff", "has 16777219 octets"),
        (b"\x16\x03\x01\0\x05\x01\0\0\x01\x03", "before its random"),
        (HELLO[:43] + b"\xff" + HELLO[44:], "longer than what contains it"),
    ],
)
def test_what_is_no_hello(octets: bytes, said: str) -> None:
    with pytest.raises(NotHello, match=said):
        read_hello(octets)


ANY = st.binary(max_size=300)
CHANGED = st.tuples(st.integers(0, len(HELLO) - 1), st.binary(max_size=4)).map(
    lambda change: HELLO[: change[0]] + change[1] + HELLO[change[0] + len(change[1]) :]
)
INSIDE = ANY.map(
    lambda octets: (
        b"\x16\x03\x01"
        + (len(octets) + 4).to_bytes(2, "big")
        + b"\1"
        + len(octets).to_bytes(3, "big")
        + octets
    )
)


@many
@given(ANY | CHANGED | INSIDE)
@example(b"")
@example(b"\x80\0\1\0\2\xff\xff\0\0\0\0\1")
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        hello = read_hello(octets)
    except NotHello:
        return
    assert hello.versions or hello.ciphers is not None
    assert len(hello.extensions) < LIMIT


@pytest.mark.parametrize(
    "piece", [b"\x16\x03\x01\0\x01\x01", fragments(1), b"\x16\x03\x01\0\x04\1\0\x3f\xf0"]
)
def test_time_grows_with_the_octets(piece: bytes) -> None:
    def read(octets: bytes) -> None:
        with suppress(NotHello):
            read_hello(octets)

    assert_linear(read, lambda size: piece * (size // len(piece)))


def test_more_than_the_limit_is_not_read() -> None:
    with pytest.raises(NotHello, match="no hello in as many octets"):
        read_hello(b"\x16\x03\x01\0\x04\1\0\x3f\xf0" + b"\x16\x03\x01\0\x01\0" * LIMIT)
