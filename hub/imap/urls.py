"""IMAP URLs that name a message, or a part of one, on this server (RFC 5092 §6, RFC 4469 §4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from hub.imap.names import canonical
from hub.imap.replies import Refused
from hub.imap.sections import Section, parse_section
from hub.imap.tokens import Reader

MAX_URL: Final = 4096
_URL: Final = re.compile(
    rb"(?:/(?P<mailbox>[^;?#\[\]]*?))?(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?/?;UID=(?P<uid>[1-9][0-9]{0,9})"
    rb"(?:/;SECTION=(?P<section>[^;?#]+))?(?:/;PARTIAL=(?P<offset>[0-9]{1,10})(?:\.(?P<length>[1-9][0-9]{0,9}))?)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """mailbox: None for the selected one. section: None for the whole message. partial: offset and length,
    None for all."""

    mailbox: str | None
    uidvalidity: int | None
    uid: int
    section: Section | None
    partial: tuple[int, int] | None


def parse_url(octets: bytes) -> MessageUrl:
    """ValueError, with a sentence, for what names no message of this server."""
    if len(octets) > MAX_URL:
        raise ValueError(f"The URL has more than {MAX_URL} octets")
    if b"://" in octets[:16]:
        raise ValueError("Only messages of this server can be named, as in /INBOX/;UID=20")
    found = _URL.fullmatch(octets)
    if found is None:
        raise ValueError("The URL names no message, as /INBOX/;UID=20/;SECTION=1.2 would")
    mailbox, section = found["mailbox"], found["section"]
    try:
        name = canonical(unquote_to_bytes(mailbox).decode()) if mailbox else None
    except UnicodeDecodeError:
        raise ValueError("The mailbox in the URL is not UTF-8") from None
    partial = None
    if found["offset"] is not None:
        partial = int(found["offset"]), int(found["length"] or (1 << 32) - 1)
    validity = found["validity"]
    return MessageUrl(
        name,
        int(validity) if validity else None,
        int(found["uid"]),
        _section(unquote_to_bytes(section)) if section else None,
        partial,
    )


def _section(text: bytes) -> Section:
    reader = Reader([b"[%b]" % text], [])
    try:
        section = parse_section(reader)
        reader.end()
    except Refused as refused:
        raise ValueError(refused.reply.text.decode("ascii", "replace")) from None
    return section
