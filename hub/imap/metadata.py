"""GETMETADATA and SETMETADATA (RFC 5464): what is noted down about mailboxes and the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hub.imap.command import Command, State
from hub.imap.entries import PRIVATE, SHARED, SPECIAL_USE, may_read, noted, read_entries, read_entry, response
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.replies import NO_SUCH_MAILBOX, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.services.log import ChangeKind

MAX_VALUE: Final = 64 << 10  # octets
MAX_NOTED: Final = 100  # entries that one user sees of one mailbox, or of the server


@dataclass(slots=True)
class _Options:
    """RFC 5464 §4.2: octets of a value, None for any; how deep to look below an entry, None for all."""

    max_size: int | None = None
    depth: int | None = 0


async def _get(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    options = _Options()
    if reader.peek() == b"(":
        _read_options(reader, options)
        reader.space()
    name = reader.mailbox()
    reader.space()
    entries = read_entries(reader)
    reader.end()
    found = await _find(session, name)
    values = await noted(session, found)
    chosen = _chosen(values, entries, options.depth)
    longest = 0
    if options.max_size is not None:
        longest = max((len(value) for value in chosen.values() if value is not None), default=0)
        chosen = {e: v for e, v in chosen.items() if v is None or len(v) <= options.max_size}
    if chosen:
        session.out.send(response(session, "" if found is None else found.name, chosen.items()))
    if options.max_size is not None and longest > options.max_size:
        return ok(b"Some values are longer", b"METADATA LONGENTRIES %d" % longest)
    return ok(b"That is what is noted down")


def _read_options(reader: Reader, options: _Options) -> None:
    reader.take(b"(")
    while not reader.take(b")"):
        word = reader.word("MAXSIZE or DEPTH")
        reader.space()
        if word == b"MAXSIZE":
            options.max_size = reader.number("a number of octets")
        elif word == b"DEPTH":
            depth = reader.word("0, 1 or infinity")
            if depth not in (b"0", b"1", b"INFINITY"):
                raise bad("DEPTH is 0, 1 or infinity (RFC 5464 4.2.2)")
            options.depth = None if depth == b"INFINITY" else int(depth)
        else:
            raise bad("GETMETADATA has the options MAXSIZE and DEPTH (RFC 5464 4.2)")
        if reader.peek() == b" ":
            reader.space()


def _chosen(
    values: Mapping[str, bytes], entries: tuple[str, ...], depth: int | None
) -> dict[str, bytes | None]:
    """The entries that were asked for, with None for one without a value, and what lies below them."""
    if depth == 0:
        return {entry: values.get(entry) for entry in entries}
    within = _within(entries, depth)
    return {entry: value for entry, value in sorted(values.items()) if within(entry)}


def _within(entries: tuple[str, ...], depth: int | None) -> Callable[[str], bool]:
    wanted = set(entries)

    def within(entry: str) -> bool:
        levels = 0
        while entry and (depth is None or levels <= depth):
            if entry in wanted:
                return True
            entry = entry.rpartition("/")[0]
            levels += 1
        return False

    return within


async def _set(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.space()
    values = _read_values(reader)
    reader.end()
    found = await _find(session, name)
    _check(found, values)
    there = {*await noted(session, found)} - {SPECIAL_USE}
    kept = (there | {e for e, v in values.items() if v is not None}) - {
        e for e, v in values.items() if v is None
    }
    if len(kept) > max(MAX_NOTED, len(there)):
        raise no(b"At most %d entries can be set" % MAX_NOTED, b"METADATA TOOMANY")
    mailbox = None if found is None else found.mailbox.id
    await session.storage.annotate(session.account, mailbox, values)
    if session.annotated is not None:
        session.annotated.learn(mailbox or 0, values)
    if found is not None:
        session.changed(found.mailbox.name, ChangeKind.ANNOTATED, account=found.account)
    return ok(b"Noted down")


def _read_values(reader: Reader) -> dict[str, bytes | None]:
    reader.expect(b"(", "entries with their values in parentheses")
    values: dict[str, bytes | None] = {}
    while True:
        entry = read_entry(reader)
        if entry in (PRIVATE, SHARED):
            raise bad("An entry has a name behind /private or /shared")
        reader.space()
        values[entry] = _read_value(reader)
        if reader.take(b")"):
            return values
        reader.space()


def _read_value(reader: Reader) -> bytes | None:
    if reader.peek() == b'"' or reader.at_literal():
        return reader.string("a value")
    if reader.word("a string, or NIL to remove the entry") != b"NIL":
        raise bad("A value is a string, or NIL to remove the entry (RFC 5464 4.3)")
    return None


async def _find(session: ImapSession, name: str) -> Place | None:
    """The mailbox, None for the server. Refused for who may not read there."""
    if not name:
        return None
    found = await place(session, name)
    if not may_read(found):
        if "l" not in found.rights:
            raise Refused(NO_SUCH_MAILBOX)
        raise no(b"You have no right to read what is noted down about this mailbox", b"NOPERM")
    return found


def _check(found: Place | None, values: Mapping[str, bytes | None]) -> None:
    """Refused if one of the values cannot be set."""
    if any(entry.startswith(SHARED) for entry in values):
        if found is None:
            raise no(b"What everybody reads about the server stands in its configuration", b"NOPERM")
        found.require("w")
    if SPECIAL_USE in values:
        raise no(b"A mailbox gets its special use when it is made: CREATE with USE", b"CANNOT")
    if any(value is not None and len(value) > MAX_VALUE for value in values.values()):
        raise no(b"A value has at most %d octets" % MAX_VALUE, b"METADATA MAXSIZE %d" % MAX_VALUE)


COMMANDS = (
    Command("GETMETADATA", _get, State.AUTHENTICATED),
    Command("SETMETADATA", _set, State.AUTHENTICATED),
)
