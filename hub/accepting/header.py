"""The header of the PROXY protocol, version 1 and 2 (HAProxy, proxy-protocol.txt sections 2.1 and 2.2).

Nothing here reads from the network: a header says how many octets it still needs and is given them, so that
none that follow it are taken.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

LONGEST_V1: Final = 107
"""Octets of the longest line of version 1, its end included (section 2.1)."""
SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
PREFIX: Final = len(SIGNATURE)
"""Octets that tell the versions apart; no header of either is shorter."""

_V2_FIXED: Final = PREFIX + 4
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_LOCAL, _PROXY = 0x0, 0x1
_UNSPECIFIED, _INET, _INET6, _UNIX = 0x0, 0x1, 0x2, 0x3
_STREAM: Final = 0x1


class BadHeader(ValueError):
    """Not a header of the PROXY protocol, and why: for the log."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The client's end of a connection and the one that it connected to, as the proxy saw them."""

    peer: tuple[str, int]
    local: tuple[str, int]


def wanted(header: bytes) -> int:
    """How many octets the header has beyond these for certain; 0 when it is whole. BadHeader.

    Of a line of version 1 nobody knows the length: it is asked for piece by piece.
    """
    if len(header) < PREFIX:
        if not (SIGNATURE.startswith(header[:PREFIX]) or b"PROXY ".startswith(header[:6])):
            raise BadHeader("it begins with neither PROXY nor the signature of version 2")
        return PREFIX - len(header)
    if header.startswith(SIGNATURE):
        if len(header) < _V2_FIXED:
            return _V2_FIXED - len(header)
        return _V2_FIXED + int.from_bytes(header[14:16], "big") - len(header)
    if not header.startswith(b"PROXY "):
        raise BadHeader("it begins with neither PROXY nor the signature of version 2")
    if header.endswith(b"\n"):
        return 0
    missing = 1 if header.endswith(b"\r") else 2
    if len(header) + missing > LONGEST_V1:
        raise BadHeader(f"a line of version 1 has no end within {LONGEST_V1} octets")
    return missing


def parse(header: bytes) -> Endpoints | None:
    """Who is connected to what; None if the connection is the proxy's own or of no known kind. BadHeader."""
    return _parse_v2(header) if header.startswith(SIGNATURE) else _parse_v1(header)


def _parse_v1(header: bytes) -> Endpoints | None:
    if not header.endswith(b"\r\n") or not header.isascii():
        raise BadHeader("a line of version 1 is ASCII and ends in CR LF")
    words = header[:-2].decode("ascii").split(" ")
    if words[1] == "UNKNOWN":
        return None  # whatever follows (section 2.1)
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadHeader("a line of version 1 says UNKNOWN, or TCP4 or TCP6 with two addresses and two ports")
    kind = ipaddress.IPv4Address if words[1] == "TCP4" else ipaddress.IPv6Address
    try:
        if "%" in words[2] + words[3]:
            raise ValueError
        source, destination = str(kind(words[2])), str(kind(words[3]))
    except ValueError:
        raise BadHeader(f"an address is not one of {words[1]}") from None
    return Endpoints((source, _port(words[4])), (destination, _port(words[5])))


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65535:
        raise BadHeader("a port is a number up to 65535")
    return int(text)


def _parse_v2(header: bytes) -> Endpoints | None:
    version, command = header[12] >> 4, header[12] & 0xF
    family, transport = header[13] >> 4, header[13] & 0xF
    if version != 2 or command not in (_LOCAL, _PROXY):
        raise BadHeader("the version is not 2, or the command neither LOCAL nor PROXY")
    if command == _LOCAL:
        return None
    if family > _UNIX or transport > 2:
        raise BadHeader("the address family or the transport is unknown")
    if family in (_UNSPECIFIED, _UNIX) or transport == 0:
        return None  # section 2.2: the receiver goes on with what it sees itself
    if transport != _STREAM:
        raise BadHeader("the connection that it speaks of is not a stream")
    # Whatever stands behind the addresses are TLVs, none of which changes who the client is.
    layout, kind = (
        ("!4s4sHH", ipaddress.IPv4Address) if family == _INET else ("!16s16sHH", ipaddress.IPv6Address)
    )
    if len(header) - _V2_FIXED < struct.calcsize(layout):
        raise BadHeader("it is too short for its addresses")
    source, destination, source_port, destination_port = struct.unpack_from(layout, header, _V2_FIXED)
    return Endpoints((str(kind(source)), source_port), (str(kind(destination)), destination_port))
