"""ENVELOPE (RFC 3501 §7.4.2): ten header fields in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from hub.imap.render import NIL, nstring, string
from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox, addresses

# What nearly all mail has: `<local@host>`, perhaps behind a name that is words or one quoted string; else
# the bare address. Anything else is left to the parser that understands it.
_ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]++"
_DOTTED = rb"%b(?:\.%b)*+" % (_ATOM, _ATOM)
_PLAIN = re.compile(
    rb'[ \t]*+(?:(?:"([^"\\\r\n]++)"|(%b(?: %b)*+)) ?+<(%b)@(%b)>|<(%b)@(%b)>|(%b)@(%b))'
    rb"[ \t]*+(?:,|\Z)" % (_ATOM, _ATOM, *[_DOTTED] * 6)
)

_NAMES: Final = (
    b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id",
)  # fmt: skip

SHORT: Final = 200
"""Octets of a list of addresses that is remembered: most of a mailbox is from few and to fewer."""


def envelope(headers: Headers) -> bytes:
    """The envelope in parentheses. Sender and Reply-To, where missing or empty, are From."""
    table = headers.few(_NAMES)
    sender_or_from = _addresses(table, b"from")
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _first(table, b"date"),
        _first(table, b"subject"),
        sender_or_from,
        _addresses(table, b"sender", sender_or_from),
        _addresses(table, b"reply-to", sender_or_from),
        _addresses(table, b"to"),
        _addresses(table, b"cc"),
        _addresses(table, b"bcc"),
        _first(table, b"in-reply-to"),
        _first(table, b"message-id"),
    )


def _first(table: Mapping[bytes, Sequence[bytes]], name: bytes) -> bytes:
    return string(table[name][0]) if name in table else NIL


def _addresses(table: Mapping[bytes, Sequence[bytes]], name: bytes, default: bytes = NIL) -> bytes:
    """All fields of that name as one list, as some mailers write several."""
    if name not in table:
        return default
    rendered = b"".join([_short(value) if len(value) <= SHORT else _list(value) for value in table[name]])
    return b"(%b)" % rendered if rendered else default


def _list(value: bytes) -> bytes:
    return _plain(value) or b"".join(map(_address, addresses(value)))


_short = lru_cache(maxsize=4096)(_list)


def _plain(value: bytes) -> bytes | None:
    """The addresses of a list in which all are plain; else None."""
    out: list[bytes] = []
    at, size = 0, len(value)
    if size > 4096:
        return None
    while at < size:
        match = _PLAIN.match(value, at)
        if match is None:
            return None
        quoted, words, *pairs = match.groups()
        if quoted and quoted != quoted.strip():
            return None
        local, host = filter(None, pairs)
        out.append(b'(%b NIL "%b" "%b")' % (nstring(quoted or words), local, host))
        at = match.end()
    return b"".join(out)


def _address(address: Mailbox) -> bytes:
    name, route, local, host = address
    return b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(local), nstring(host))
