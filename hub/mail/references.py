"""Which messages a message answers: the ids of Message-ID, References and In-Reply-To (RFC 5256 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hub.mail.headers import Headers

MAX_REFERENCES = 1000
"""Of more, the first and the last ones are kept: what is between them is the middle of a long thread."""

_PLAIN = re.compile(rb'<([^<>"\\()\[\]\s]++)>')
_ID = re.compile(
    rb'<\s*+(?:"((?:[^"\\]|\\.)*+)"|([^<>"@\s]++))\s*+@\s*+(\[[^\]<>]*+\]|[^<>"\s]++)\s*+>', re.DOTALL
)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def message_ids(value: bytes) -> Iterator[bytes]:
    """Every valid id in an unfolded value, without its brackets and without needless quoting."""
    at = value.find(b"<")
    while at >= 0:
        if (plain := _PLAIN.match(value, at)) and b"@" in plain[1][1:-1]:
            yield plain[1]
            at = value.find(b"<", plain.end())
        elif found := _ID.match(value, at):
            quoted, local, domain = found.groups()
            yield (_QUOTED_PAIR.sub(rb"\1", quoted) if local is None else local) + b"@" + domain
            at = value.find(b"<", found.end())
        else:
            at = value.find(b"<", at + 1)


def message_id(headers: Headers) -> bytes:
    """The message's own id, empty if it has none that is valid."""
    return next(message_ids(headers.raw("Message-ID") or b""), b"")


def references(headers: Headers) -> tuple[bytes, ...]:
    """The ancestors, the oldest first: References, or without an id there the first of In-Reply-To."""
    found = tuple(message_ids(b" ".join(headers.raw_all("References"))))
    if len(found) > MAX_REFERENCES:
        return (found[0], *found[1 - MAX_REFERENCES :])
    if found:
        return found
    first = next(message_ids(headers.raw("In-Reply-To") or b""), None)
    return () if first is None else (first,)
