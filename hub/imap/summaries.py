"""Summaries made of messages: all that clients ask of what they list."""

from __future__ import annotations

from typing import Final

from hub.imap.bodystructure import body_structure
from hub.imap.envelope import envelope, first_address
from hub.imap.render import string
from hub.mail.collation import casemapped
from hub.mail.encoded import decode_words
from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox
from hub.mail.preview import preview
from hub.mail.structure import Structure
from hub.mail.threading import ancestors, base_subject, message_ids, sent_at
from hub.services.summary import KEPT, Heading, Outline, Summary

_MAX_KEY: Final = 200
"""Characters of a name that mail is sorted by."""


def make_summary(lines: bytes, head: bytes, data: bytes, structure: Structure) -> Summary:
    """lines: the item's own; head: the header block; data: what the structure's offsets count in, head
    included."""
    return Summary(make_heading(Headers(lines + head)), make_outline(data, structure))


def make_heading(headers: Headers) -> Heading:
    """What the header says."""
    subject, is_reply = base_subject(headers.raw("Subject") or b"")
    from_, to, cc = (first_address(headers.raw_all(name)) for name in ("From", "To", "Cc"))
    return Heading(
        envelope=_kept(envelope(headers)),
        subject=casemapped(_storable(subject)),
        is_reply=is_reply,
        from_=_key(_local(from_)),
        to=_key(_local(to)),
        cc=_key(_local(cc)),
        from_name=_key(_shown(from_)),
        to_name=_key(_shown(to)),
        sent=sent_at(headers.raw("Date") or b""),
        message_id=next(iter(message_ids(headers.raw("Message-ID") or b"")), "")[:1000],
        references=ancestors(headers.raw("References") or b"", headers.raw("In-Reply-To") or b""),
    )


def make_outline(data: bytes, structure: Structure) -> Outline:
    """What the parts say."""
    root = structure.root
    return Outline(
        body=_kept(body_structure(root, data, extended=False)),
        bodystructure=_kept(body_structure(root, data, extended=True)),
        preview=string(_storable(preview(root, data)).encode()),
    )


def _kept(octets: bytes) -> bytes | None:
    return octets if len(octets) <= KEPT else None


def _storable(text: str) -> str:
    """Without half characters, which some charsets decode to, and NUL, which some databases refuse."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def _key(octets: bytes) -> str:
    return casemapped(_storable(decode_words(octets)[:_MAX_KEY]))


def _local(address: Mailbox | None) -> bytes:
    """RFC 5256 §3: addr-mailbox, which of a group is its name."""
    return (address.local if address else None) or b""


def _shown(address: Mailbox | None) -> bytes:
    """RFC 5957 §2: the display name, else the address."""
    if address is None:
        return b""
    if address.name or address.is_group_mark:
        return address.name or address.local or b""
    return b"%b@%b" % (address.local or b"", address.host or b"")
