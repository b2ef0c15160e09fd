"""Entries of METADATA and their values (RFC 5464 §3), as they are read and told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from hub.imap.place import Place, own_use
from hub.imap.render import NIL, astring, string
from hub.imap.replies import bad
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader

PRIVATE: Final = "/private"
SHARED: Final = "/shared"
SPECIAL_USE: Final = "/private/specialuse"  # RFC 6154 §4
MAX_ENTRY: Final = 1000
MAX_ENTRIES: Final = 100
_ENTRY = re.compile(r"/(?:private|shared)(?:/[ -$&-)+-.0-~]++)*+")
_TO_READ: Final = frozenset("rswip")  # RFC 5464 §3.3


def read_entry(reader: Reader) -> str:
    """The name of one entry, in small letters: they are equal in any case. BAD."""
    octets = reader.astring("the name of an entry, such as /private/comment")
    entry = octets.decode("ascii", "replace").lower()
    if len(entry) > MAX_ENTRY or not _ENTRY.fullmatch(entry):
        raise bad("An entry begins with /private or /shared and is ASCII without * and % (RFC 5464 3.2)")
    return entry


def read_entries(reader: Reader) -> tuple[str, ...]:
    """One entry, or several in parentheses. BAD."""
    if not reader.take(b"("):
        return (read_entry(reader),)
    entries = [read_entry(reader)]
    while not reader.take(b")"):
        reader.space()
        entries.append(read_entry(reader))
        if len(entries) > MAX_ENTRIES:
            raise bad(f"At most {MAX_ENTRIES} entries are asked for at once")
    return tuple(entries)


def may_read(place: Place) -> bool:
    """Whether a user who sees the mailbox may read what is noted down about it."""
    return "l" in place.rights and not _TO_READ.isdisjoint(place.rights)


async def noted(session: ImapSession, place: Place | None) -> Mapping[str, bytes]:
    """Entry → value, of a mailbox or of the server. MailboxMissing."""
    found = dict(
        await session.storage.annotations(session.account, None if place is None else place.mailbox.id)
    )
    if place is None:
        settings = session.kernel.settings.imap
        found |= {
            f"{SHARED}/{name}": text.encode()
            for name, text in (("admin", settings.admin), ("comment", settings.comment))
            if text
        }
    elif use := own_use(place):
        found[SPECIAL_USE] = use.encode("ascii")
    return found


def response(session: ImapSession, name: str, values: Iterable[tuple[str, bytes | None]]) -> bytes:
    """The untagged response with values (RFC 5464 §4.4.1); name: empty for the server."""
    pairs = b" ".join([b"%b %b" % (astring(entry.encode("ascii")), _value(value)) for entry, value in values])
    return b"* METADATA %b (%b)\r\n" % (session.name(name), pairs)


def changed_response(session: ImapSession, name: str, entries: Iterable[str]) -> bytes:
    """The untagged response without values (RFC 5464 §4.4.2); name: empty for the server."""
    return b"* METADATA %b %b\r\n" % (
        session.name(name),
        b" ".join([astring(e.encode("ascii")) for e in entries]),
    )


async def metadata_response(session: ImapSession, place: Place, entries: Iterable[str]) -> bytes:
    """What LIST tells of a mailbox (RFC 9590 §3), empty for who may not read it. MailboxMissing."""
    if not may_read(place):
        return b""
    values = await noted(session, place)
    return response(session, place.name, [(entry, values.get(entry)) for entry in entries])


def _value(octets: bytes | None) -> bytes:
    if octets is None:
        return NIL
    if b"\0" in octets:
        return b"~{%d}\r\n%b" % (len(octets), octets)  # RFC 5464 §5: literal8
    return string(octets)
