"""The first thing a client sends, read before OpenSSL sees it: for which name, and for which protocol.

Only what a certificate is chosen by is read (RFC 8446 §4.1.2, RFC 6066 §3 and §8, RFC 7301 §3.1); whatever
is malformed is left for OpenSSL to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST: Final = 64 << 10
"""Octets of a hello that are waited for; those of browsers with post-quantum keys have under two thousand."""

_HANDSHAKE, _CLIENT_HELLO = 22, 1
_SERVER_NAME, _STATUS_REQUEST, _ALPN = 0, 5, 16


@dataclass(frozen=True, slots=True)
class First:
    """What a client asks for. name: in lower case, None if it names nobody; alpn: by its preference."""

    name: str | None = None
    alpn: tuple[str, ...] = ()
    wants_status: bool = False


def read_first(octets: bytes) -> First | None:
    """What stands in the first records of a connection; None if more of them has to come."""
    hello = b""
    at = 0
    while at + 5 <= len(octets):
        size = int.from_bytes(octets[at + 3 : at + 5], "big")
        if octets[at] != _HANDSHAKE:
            return First()
        hello += octets[at + 5 : at + 5 + size]
        at += 5 + size
        if len(hello) >= 4:
            wanted = 4 + int.from_bytes(hello[1:4], "big")
            if hello[0] != _CLIENT_HELLO or wanted > LONGEST:
                return First()
            if len(hello) >= wanted:
                return _parse(hello[4:wanted])
    if at > LONGEST or (octets and octets[0] != _HANDSHAKE):
        return First()
    return None


def _parse(body: bytes) -> First:
    try:
        _, rest = _vector(body[34:], 1)  # behind version and random: the session id
        _, rest = _vector(rest, 2)  # cipher suites
        _, rest = _vector(rest, 1)  # compression methods
        extensions, _ = _vector(rest, 2) if rest else (b"", b"")
        found = dict(_extensions(extensions))
        name = _name(found[_SERVER_NAME]) if _SERVER_NAME in found else None
        return First(name, tuple(_protocols(found.get(_ALPN, b"\0\0"))), _STATUS_REQUEST in found)
    except ValueError:
        return First()


def _extensions(octets: bytes) -> list[tuple[int, bytes]]:
    found = []
    while octets:
        content, rest = _vector(octets[2:], 2)
        found.append((int.from_bytes(octets[:2], "big"), content))
        octets = rest
    return found


def _name(octets: bytes) -> str | None:
    names, _ = _vector(octets, 2)
    if not names or names[0] != 0:  # host_name is the only kind there is
        return None
    return _vector(names[1:], 2)[0].decode("ascii").lower().rstrip(".") or None


def _protocols(octets: bytes) -> list[str]:
    found = []
    names, _ = _vector(octets, 2)
    while names:
        name, names = _vector(names, 1)
        found.append(name.decode("latin-1"))
    return found


def _vector(octets: bytes, width: int) -> tuple[bytes, bytes]:
    """A vector with its length before it, and what follows. ValueError if it is cut off."""
    end = width + int.from_bytes(octets[:width], "big")
    if len(octets) < end or len(octets) < width:
        raise ValueError("a vector is cut off")
    return octets[width:end], octets[end:]
