"""What SORT and THREAD compare of a message (RFC 5256, RFC 5957), from its header block in one pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hub.mail.casemap import casemap
from hub.mail.encoded import decode_words
from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox, addresses
from hub.mail.references import message_id, references
from hub.mail.sentdate import SentDate, sent_date
from hub.mail.subject import base_subject

MAX_KEY = 1000
"""Octets of a key; what is longer is compared by its beginning."""

# `<local@host>`, perhaps behind words or one quoted string, or the bare address; else the parser reads it.
_ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]++"
_DOTTED = rb"%b(?:\.%b)*+" % (_ATOM, _ATOM)
_FIRST = re.compile(
    rb'[ \t]*+(?:(?:"([^"\\\r\n]++)"|(%b(?: %b)*+)) ?+<(%b)@(%b)>|<(%b)@(%b)>|(%b)@(%b))[ \t]*+(?:,|\Z)'
    % (_ATOM, _ATOM, *[_DOTTED] * 6)
)


@dataclass(frozen=True, slots=True)
class SortKeys:
    """Compared as octets, for all text is mapped by `casemap`.

    sent: None without a day in the Date field, for which INTERNALDATE stands in. subject: the base subject.
    sender, to, cc: the local part of the first address. sender_name, to_name: its display name, or without
    one the address. message_id: empty without a valid one. references: the ancestors' ids, the oldest first.
    """

    sent: SentDate | None
    subject: bytes
    is_reply: bool
    sender: bytes
    to: bytes
    cc: bytes
    sender_name: bytes
    to_name: bytes
    message_id: bytes
    references: tuple[bytes, ...]


def sort_keys(headers: Headers) -> SortKeys:
    """The keys of a message with this header block; never raises."""
    table = headers.table
    date, subjects = table.get(b"date"), table.get(b"subject")
    subject = base_subject(decode_words(subjects[0]) if subjects else "")
    sender, to, cc = (_first(table.get(name)) for name in (b"from", b"to", b"cc"))
    return SortKeys(
        sent=None if date is None else sent_date(date[0]),
        subject=casemap(subject.text)[:MAX_KEY],
        is_reply=subject.is_reply,
        sender=_local(sender),
        to=_local(to),
        cc=_local(cc),
        sender_name=_name(sender),
        to_name=_name(to),
        message_id=message_id(headers),
        references=references(headers),
    )


def _first(values: Sequence[bytes] | None) -> Mailbox | None:
    if not values:
        return None
    value = values[0]
    usual = _FIRST.match(value)
    if usual is not None:
        quoted, words, *pairs = usual.groups()
        local, host = filter(None, pairs)
        return Mailbox(quoted or words, None, local, host)
    return next(iter(addresses(value)), None)


def _local(address: Mailbox | None) -> bytes:
    return b"" if address is None else _key(address.local)


def _name(address: Mailbox | None) -> bytes:
    """RFC 5957 §3: a group is sorted by its own name."""
    if address is None:
        return b""
    if address.name:
        return _key(address.name)
    return _key(address.local if not address.host else b"%b@%b" % (address.local or b"", address.host))


def _key(octets: bytes | None) -> bytes:
    return casemap(decode_words(octets))[:MAX_KEY] if octets else b""
