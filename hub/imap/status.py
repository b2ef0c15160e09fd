"""STATUS (RFC 9051 §6.3.11): a mailbox in figures without opening it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hub.imap.command import Command, State
from hub.imap.objectid import mailbox_id
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.replies import Reply, bad, ok
from hub.imap.session import ImapSession
from hub.imap.sets import compress
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore

ITEMS: Final = (
    b"APPENDLIMIT",  # RFC 7889 §3.2
    b"DELETED",  # RFC 9051
    b"DELETED-STORAGE",  # RFC 9208 §4.1.4
    b"HIGHESTMODSEQ",  # RFC 7162 §3.1.7
    b"MAILBOXID",  # RFC 8474 §4.3
    b"MESSAGES",
    b"RECENT",
    b"SIZE",  # RFC 8438
    b"UIDNEXT",
    b"UIDVALIDITY",
    b"UNSEEN",
)


async def _status(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.space()
    items = read_items(reader)
    reader.end()
    found = await place(session, name, "r")
    session.out.send(await status_response(session, found, items))
    return ok(b"That is how it stands")


def read_items(reader: Reader) -> tuple[bytes, ...]:
    """A list of items in parentheses, each once. BAD."""
    reader.expect(b"(", "a list of items in parentheses")
    items: dict[bytes, None] = {}
    while not reader.take(b")"):
        item = reader.word("one of " + b" ".join(ITEMS).decode())
        if item not in ITEMS:
            raise bad(f"STATUS has no item {item.decode()[:40]}; it has {b' '.join(ITEMS).decode()}")
        items[item] = None
        if reader.peek() == b" ":
            reader.space()
    if not items:
        raise bad("STATUS wants at least one item")
    return tuple(items)


async def status_response(session: ImapSession, found: Place, items: Sequence[bytes]) -> bytes:
    """The untagged response. MailboxMissing where messages have to be looked at."""
    mailbox = found.mailbox
    if b"HIGHESTMODSEQ" in items:
        enable_condstore(session)  # RFC 7162 §3.1: whoever asks wants to hear of modseqs
    values: dict[bytes, bytes] = {
        b"APPENDLIMIT": b"%d" % session.kernel.settings.imap.max_literal,
        b"HIGHESTMODSEQ": b"%d" % mailbox.highest_modseq,
        b"MAILBOXID": b"(%b)" % mailbox_id(mailbox),
        b"MESSAGES": b"%d" % mailbox.messages,
        b"RECENT": b"0",
        b"SIZE": b"%d" % mailbox.size,
        b"UIDNEXT": b"%d" % mailbox.uidnext,
        b"UIDVALIDITY": b"%d" % mailbox.uidvalidity,
        b"UNSEEN": b"%d" % mailbox.unseen,
    }
    for item, number in (await _counted(session, found, items)).items():
        values[item] = b"%d" % number
    pairs = b" ".join([b"%b %b" % (item, values[item]) for item in items])
    return b"* STATUS %b (%b)\r\n" % (session.name(found.name), pairs)


async def _counted(session: ImapSession, found: Place, items: Sequence[bytes]) -> Mapping[bytes, int]:
    """What nobody keeps count of, and is found by looking at the flags of every message."""
    unseen = b"UNSEEN" in items and found.viewer is not None
    if not unseen and b"DELETED" not in items and b"DELETED-STORAGE" not in items:
        return {}
    states = await session.storage.states(found.mailbox.id, found.viewer)
    deleted = [uid for uid, flags in zip(states.uids, states.flags, strict=True) if "\\Deleted" in flags]
    counts = {b"DELETED": len(deleted)}
    if unseen:
        counts[b"UNSEEN"] = sum("\\Seen" not in flags for flags in states.flags)
    if b"DELETED-STORAGE" in items:
        gone = await session.storage.items(found.mailbox.id, compress(deleted)) if deleted else ()
        counts[b"DELETED-STORAGE"] = sum(item.size for item in gone)
    return counts


COMMANDS = (Command("STATUS", _status, State.AUTHENTICATED),)
