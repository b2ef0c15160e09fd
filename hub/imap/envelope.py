"""ENVELOPE (RFC 3501 §7.4.2): ten header fields in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from hub.imap.render import NIL, nstring
from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox, addresses

# What nearly all mail has: `<local@host>`, perhaps behind a name that is words or one quoted string; else
# the bare
# address. Anything else is left to the parser that understands it.
_ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]++"
_DOTTED = rb"%b(?:\.%b)*+" % (_ATOM, _ATOM)
_PLAIN = re.compile(
    rb'[ \t]*+(?:(?:"([^"\\\r\n]++)"|(%b(?: %b)*+)) ?+<(%b)@(%b)>|<(%b)@(%b)>|(%b)@(%b))'
    rb"[ \t]*+(?:,|\Z)" % (_ATOM, _ATOM, *[_DOTTED] * 6)
)


def envelope(headers: Headers) -> bytes:
    """The envelope in parentheses. Sender and Reply-To, where missing or empty, are From."""
    found = headers.table
    sender_or_from = _addresses(found.get(b"from", ()))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _first(found, b"date"),
        _first(found, b"subject"),
        sender_or_from,
        _addresses(found.get(b"sender", ()), sender_or_from),
        _addresses(found.get(b"reply-to", ()), sender_or_from),
        _addresses(found.get(b"to", ())),
        _addresses(found.get(b"cc", ())),
        _addresses(found.get(b"bcc", ())),
        _first(found, b"in-reply-to"),
        _first(found, b"message-id"),
    )


def _first(found: Mapping[bytes, Sequence[bytes]], name: bytes) -> bytes:
    values = found.get(name)
    return nstring(values[0]) if values else NIL


def _addresses(values: Sequence[bytes], default: bytes = NIL) -> bytes:
    """All fields of that name as one list, as some mailers write several."""
    rendered = b"".join([_plain(value) or b"".join(map(_address, addresses(value))) for value in values])
    return b"(%b)" % rendered if rendered else default


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
