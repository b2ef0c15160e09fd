"""ENVELOPE (RFC 3501 §7.4.2): ten header fields in a fixed order."""

from __future__ import annotations

from hub.imap.render import NIL, nstring
from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox, addresses


def envelope(headers: Headers) -> bytes:
    """The envelope in parentheses. Sender and Reply-To, where missing or empty, are From."""
    raw = headers.raw
    sender_or_from = _addresses(headers, "From")
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(raw("Date")),
        nstring(raw("Subject")),
        sender_or_from,
        _addresses(headers, "Sender", sender_or_from),
        _addresses(headers, "Reply-To", sender_or_from),
        _addresses(headers, "To"),
        _addresses(headers, "Cc"),
        _addresses(headers, "Bcc"),
        nstring(raw("In-Reply-To")),
        nstring(raw("Message-ID")),
    )


def _addresses(headers: Headers, name: str, default: bytes = NIL) -> bytes:
    """All fields of that name as one list, as some mailers write several."""
    found = [address for value in headers.raw_all(name) for address in addresses(value)]
    return b"(%b)" % b"".join(map(_address, found)) if found else default


def _address(address: Mailbox) -> bytes:
    name, route, local, host = address
    return b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(local), nstring(host))
