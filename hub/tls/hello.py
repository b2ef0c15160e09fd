"""What a client says first: a ClientHello, read from octets that anybody may have sent (RFC 8446 §4.1.2).

    records ──► one handshake message, from however many records ──► fields ──► extensions that are understood

Nothing is believed: every length is checked, an octet is looked at a fixed number of times, and more than
`LIMIT` of them are not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LIMIT: Final = 16 << 10
"""Octets that are kept of what a client sends; a hello with the keys of two post-quantum groups has 4,000."""

_GREASE: Final = frozenset(each << 8 | each for each in range(0x0A, 0x100, 0x10))
"""Numbers that mean nothing, and are there so that servers stay tolerant (RFC 8701)."""
_HANDSHAKE, _CLIENT_HELLO = 22, 1
_RECORD_HEAD, _MESSAGE_HEAD = 5, 4


class Extension(IntEnum):
    """Those that are read (RFC 8446 §4.2)."""

    SERVER_NAME = 0
    STATUS_REQUEST = 5
    GROUPS = 10
    SIGNATURES = 13
    ALPN = 16
    TICKET = 35
    PRE_SHARED_KEY = 41
    VERSIONS = 43
    KEY_SHARES = 51


class NotHello(ValueError):
    """The octets are no ClientHello; the text says what is wrong with them."""


class CutOff(NotHello):
    """They may become one: at least `missing` octets have not come, before which nobody need look again."""

    def __init__(self, reason: str, missing: int) -> None:
        super().__init__(reason)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Hello:
    """A ClientHello. Numbers are those of IANA's registries, in the client's order and without GREASE.

    versions: of the protocol, 0x0304 is TLS 1.3. server_name: as it was sent, None if no host is named.
    protocols: of ALPN. shares: the groups that a key was sent for. extensions: all of them.
    """

    versions: tuple[int, ...]
    ciphers: tuple[int, ...]
    groups: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    server_name: str | None = None
    protocols: tuple[str, ...] = ()
    extensions: tuple[int, ...] = ()
    wants_status: bool = False


def read_hello(octets: bytes) -> Hello:
    """The hello at the beginning of a connection. CutOff if more has to come, NotHello if it is none."""
    if len(octets) >= 5 and octets[0] & 0x80 and octets[2] == _CLIENT_HELLO:
        return _of_ssl2(octets)
    body = _message(octets[:LIMIT])
    at = 34  # behind version and random
    if len(body) < at:
        raise NotHello("the hello ends before its random")
    version = int.from_bytes(body[:2], "big")
    _, at = _vector(body, at, 1, "session id")
    ciphers, at = _vector(body, at, 2, "cipher suites")
    _, at = _vector(body, at, 1, "compression methods")
    found: Mapping[int, bytes] = {}
    if at < len(body):
        extensions, at = _vector(body, at, 2, "extensions")
        found = dict(_extensions(extensions))
    return _hello(version, _numbers(ciphers, "cipher suites"), found)


def _hello(version: int, ciphers: tuple[int, ...], found: Mapping[int, bytes]) -> Hello:
    listed = _listed(found, Extension.VERSIONS, 1)
    # RFC 8446 Appendix D: without the extension the number is the newest version that the client speaks.
    return Hello(
        listed or (version,),
        ciphers,
        _listed(found, Extension.GROUPS, 2),
        _listed(found, Extension.SIGNATURES, 2),
        _shares(found.get(Extension.KEY_SHARES, b"\0\0")),
        _server_name(found.get(Extension.SERVER_NAME, b"")),
        tuple(_protocols(found.get(Extension.ALPN, b""))),
        _meant(tuple(found)),
        Extension.STATUS_REQUEST in found,
    )


def _listed(found: Mapping[int, bytes], extension: Extension, width: int) -> tuple[int, ...]:
    if extension not in found:
        return ()
    what = extension.name.lower()
    return _numbers(_vector(found[extension], 0, width, what)[0], what)


def _message(octets: bytes) -> memoryview:
    """What the records carry, up to the end of the first message."""
    message = bytearray()
    at, wanted = 0, _MESSAGE_HEAD
    while len(message) < wanted:
        if at < len(octets) and octets[at] != _HANDSHAKE:
            raise NotHello(f"it begins with a record of type {octets[at]}, and not with a handshake")
        if at + 1 < len(octets) and octets[at + 1] != 3:
            raise NotHello("it is no record of TLS")
        size = int.from_bytes(octets[at + 3 : at + _RECORD_HEAD], "big")
        if at + _RECORD_HEAD <= len(octets) and not 0 < size <= LIMIT:
            raise NotHello(f"a record says that it has {size} octets")
        message += octets[at + _RECORD_HEAD : at + _RECORD_HEAD + size]
        at += _RECORD_HEAD + size
        if len(message) >= _MESSAGE_HEAD and wanted == _MESSAGE_HEAD:
            if message[0] != _CLIENT_HELLO:
                raise NotHello(f"the handshake begins with a message of type {message[0]}")
            wanted += int.from_bytes(message[1:4], "big")
            if wanted > LIMIT:
                raise NotHello(f"the hello says that it has {wanted} octets")
        if len(message) < wanted and at >= len(octets):
            if at >= LIMIT:
                raise NotHello("there is no hello in as many octets")
            raise CutOff(f"{len(message)} octets of the hello have come", wanted - len(message))
    return memoryview(bytes(message))[_MESSAGE_HEAD:wanted]


def _of_ssl2(octets: bytes) -> Hello:
    """In the form of SSL 2 (RFC 5246 Appendix E.2), which scanners and the very old send."""
    if len(octets) < 11:
        raise CutOff("the hello of SSL 2 is not whole", 11 - len(octets))
    size = int.from_bytes(octets[5:7], "big")
    kinds = octets[11 : 11 + size]
    ciphers = (kinds[at : at + 3] for at in range(0, len(kinds) - 2, 3))
    version = int.from_bytes(octets[3:5], "big")
    return Hello((version,), tuple(int.from_bytes(each, "big") for each in ciphers))


def _extensions(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(octets):
        content, end = _vector(octets, at + 2, 2, "an extension")
        yield int.from_bytes(octets[at : at + 2], "big"), content
        at = end


def _shares(octets: bytes) -> tuple[int, ...]:
    shares = _whole(octets, 2, "key shares")
    found, at = [], 0
    while at < len(shares):
        found.append(int.from_bytes(shares[at : at + 2], "big"))
        _, at = _vector(shares, at + 2, 2, "a key share")
    return _meant(tuple(found))


def _server_name(octets: bytes) -> str | None:
    """RFC 6066 §3: host_name, of type 0, is the only kind of name there is."""
    listed = _whole(octets, 2, "server names") if octets else b""
    if not listed or listed[0]:
        return None
    return _vector(listed, 1, 2, "the server name")[0].decode("ascii", "backslashreplace") or None


def _protocols(octets: bytes) -> Iterator[str]:
    listed = _whole(octets, 2, "protocols") if octets else b""
    at = 0
    while at < len(listed):
        name, at = _vector(listed, at, 1, "a protocol")
        text = name.decode("ascii", "backslashreplace")
        if len(name) != 2 or int.from_bytes(name, "big") not in _GREASE:
            yield text


def _whole(octets: bytes, width: int, what: str) -> bytes:
    return _vector(octets, 0, width, what)[0]


def _vector(octets: bytes | memoryview, at: int, width: int, what: str) -> tuple[bytes, int]:
    """The vector whose length is in `width` octets, and where it ends. NotHello if it is cut off."""
    begin = at + width
    end = begin + int.from_bytes(octets[at:begin], "big")
    if end > len(octets):
        raise NotHello(f"{what}: longer than what contains it")
    return bytes(octets[begin:end]), end


def _numbers(octets: bytes, what: str) -> tuple[int, ...]:
    if len(octets) % 2:
        raise NotHello(f"{what}: an odd count of octets")
    return _meant(struct.unpack(f">{len(octets) // 2}H", octets))


def _meant(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if _GREASE.isdisjoint(numbers):
        return numbers
    return tuple(each for each in numbers if each not in _GREASE)
