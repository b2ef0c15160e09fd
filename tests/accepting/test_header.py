"""Headers of the PROXY protocol: read to their last octet and no further, nothing believed that is wrong."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.accepting.header import LONGEST_V1, SIGNATURE, BadHeader, Endpoints, parse, wanted


def v2(command: int, family: int, payload: bytes, *, length: int | None = None, version: int = 2) -> bytes:
    size = len(payload) if length is None else length
    return SIGNATURE + bytes([version << 4 | command, family]) + struct.pack("!H", size) + payload


def inet(source: str, destination: str, source_port: int, destination_port: int) -> bytes:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return ends + struct.pack("!HH", source_port, destination_port)


V4 = inet("192.0.2.7", "192.0.2.1", 4711, 25)
V6 = inet("2001:db8::7", "2001:db8::1", 4711, 25)
TLVS = b"\x01\x00\x02h2" + b"\x03\x00\x04\xde\xad\xbe\xef" + b"\x04\x00\x00" + b"\xe0\x01\x2c" + b"x" * 300
ENDS4 = Endpoints(("192.0.2.7", 4711), ("192.0.2.1", 25))
ENDS6 = Endpoints(("2001:db8::7", 4711), ("2001:db8::1", 25))

GOOD = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n", ENDS4),
    (b"PROXY TCP6 2001:db8::7 2001:0DB8::0001 4711 25\r\n", ENDS6),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN whatever it likes to say\r\n", None),
    (b"PROXY UNKNOWN " + b"f" * (LONGEST_V1 - 16) + b"\r\n", None),
    (v2(1, 0x11, V4), ENDS4),
    (v2(1, 0x21, V6), ENDS6),
    (v2(1, 0x11, V4 + TLVS), ENDS4),
    (v2(1, 0x21, V6 + b"\x04\x7f\xff" + b"\0" * 32767), ENDS6),
    (v2(0, 0x00, b""), None),
    (v2(0, 0x11, V4), None),
    (v2(1, 0x00, b""), None),
    (v2(1, 0x00, TLVS), None),
    (v2(1, 0x31, b"/run/a.sock".ljust(108, b"\0") * 2), None),
]


@pytest.mark.parametrize(("header", "ends"), GOOD, ids=lambda value: repr(value)[:40])
def test_header_is_read_to_its_end_and_no_further(header: bytes, ends: Endpoints | None) -> None:
    following = b"EHLO client.example\r\n"
    stream, taken = header + following, b""
    while missing := wanted(taken):
        taken += stream[len(taken) : len(taken) + missing]
    assert taken == header
    assert parse(taken) == ends


BAD = [
    b"EHLO client.example\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25 26\r\n",
    b"PROXY  TCP4 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY tcp4 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 25\r\n",
    b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY TCP6 fe80::1%lo fe80::2 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 65536\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 025\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 25\r\n",
    b"PROXY TCP4 192.0.2.256 192.0.2.1 4711 25\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\n",
    b"PROXY TCP4 \xff\xfe 192.0.2.1 4711 25\r\n",
    b"PROXY UDP4 192.0.2.7 192.0.2.1 4711 25\r\n",
    b"PROXY UNKNOWN " + b"f" * 100 + b"\r\n",
    b"PROXY " * 100,
    v2(1, 0x11, V4, version=1),
    v2(1, 0x11, V4, version=3),
    v2(2, 0x11, V4),
    v2(1, 0x41, V4),
    v2(1, 0x13, V4),
    v2(1, 0x12, V4),
    v2(1, 0x11, V4[:-1]),
    v2(1, 0x21, V4),
    v2(1, 0x11, b""),
]


def refused(stream: bytes) -> bool:
    taken = b""
    try:
        while missing := wanted(taken):
            piece = stream[len(taken) : len(taken) + missing]
            assert piece, "it waits for more"
            taken += piece
        parse(taken)
    except BadHeader:
        return True
    return False


@pytest.mark.parametrize("stream", BAD, ids=lambda value: repr(value)[:50])
def test_wrong_header_is_refused(stream: bytes) -> None:
    assert refused(stream)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda rest: SIGNATURE + rest),
        st.text(alphabet="TCP46 .:0123456789\r\nUNKOW", max_size=120).map(lambda t: b"PROXY " + t.encode()),
    )
)
def test_no_octets_do_anything_else_than_be_a_header_or_not(stream: bytes) -> None:
    taken = b""
    try:
        while (missing := wanted(taken)) and len(taken) < len(stream):
            assert missing > 0
            taken += stream[len(taken) : len(taken) + missing]
        if not missing:
            parse(taken)
    except BadHeader:
        pass
    assert taken == stream[: len(taken)]
