"""SELECT and EXAMINE, CHECK, CLOSE (RFC 3501 §6.3.1, §6.4), UNSELECT (RFC 3691): which mailbox is looked
at."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.objectid import mailbox_id
from hub.imap.places import place
from hub.imap.render import SYSTEM_FLAGS
from hub.imap.replies import Reply, bad, ok
from hub.imap.resync import Resync, parse_resync, tell_missed
from hub.imap.rights import in_rights
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import enable_condstore, tell_exists, tell_flags, tell_highest_modseq
from hub.imap.view import View
from hub.services.log import ChangeKind

_TO_WRITE = frozenset("stwei")  # RFC 4314 §5.2


@dataclass(slots=True)
class _Parameters:
    """What stands in the parentheses behind the name (RFC 4466 §2.1)."""

    condstore: bool = False
    resync: Resync | None = None


async def _select(session: ImapSession, reader: Reader) -> Reply:
    return await _open(session, reader, read_only=False)


async def _examine(session: ImapSession, reader: Reader) -> Reply:
    return await _open(session, reader, read_only=True)


async def _open(session: ImapSession, reader: Reader, *, read_only: bool) -> Reply:
    reader.space()
    name = reader.mailbox()
    parameters = _parameters(session, reader)
    reader.end()
    if session.view is not None:
        session.select(None)  # also when the new one cannot be opened (RFC 3501 §6.3.1)
        session.out.send(b"* OK [CLOSED] The mailbox before it is closed\r\n")  # RFC 7162 §3.2.11
    found = await place(session, name, "r")
    read_only = read_only or _TO_WRITE.isdisjoint(found.rights)
    if parameters.condstore:
        enable_condstore(session)
    mirror, end = await session.mirrors.open(found.mailbox, found.viewer, session.notice)
    view = View(found, mirror, end, read_only=read_only, enabled=session.enabled)
    session.select(view)
    _tell_opened(session, view)
    if parameters.resync is not None:
        await tell_missed(session, parameters.resync)
    return ok(b"The mailbox is open", b"READ-ONLY" if read_only else b"READ-WRITE")


def _parameters(session: ImapSession, reader: Reader) -> _Parameters:
    found = _Parameters()
    if reader.at_end():
        return found
    reader.space()
    reader.expect(b"(", "CONDSTORE or QRESYNC in parentheses")
    while True:
        word = reader.word("CONDSTORE or QRESYNC")
        if word == b"CONDSTORE":
            found.condstore = True
        elif word == b"QRESYNC":
            found.resync = parse_resync(reader, session)
        else:
            raise bad(f"A mailbox is not opened with {word.decode()[:40]}, but with CONDSTORE or QRESYNC")
        if reader.take(b")"):
            return found
        reader.space()


def _tell_opened(session: ImapSession, view: View) -> None:
    """What is said of a mailbox that is opened (RFC 3501 §6.3.1, RFC 9051 §6.3.2)."""
    out, mailbox = session.out, view.place.mailbox
    tell_flags(out, view)
    tell_exists(session)
    if Enabled.IMAP4REV2 in session.enabled:
        out.send(b'* LIST () "/" %b\r\n' % session.name(view.name))
    elif Enabled.UIDONLY not in session.enabled and (unseen := view.first_unseen) is not None:
        out.send(b"* OK [UNSEEN %d] The first unseen message\r\n" % unseen)
    permanent = "" if view.read_only else " ".join(in_rights((*SYSTEM_FLAGS, "\\*"), view.place.rights))
    out.send(b"* OK [PERMANENTFLAGS (%b)] What can be changed\r\n" % permanent.encode("ascii"))
    uidnext = max(mailbox.uidnext, view.uids[-1] + 1 if len(view) else 1)
    out.send(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uidvalidity)
    out.send(b"* OK [UIDNEXT %d] The next UID\r\n" % uidnext)
    tell_highest_modseq(session)
    out.send(b"* OK [MAILBOXID (%b)] Its name for ever\r\n" % mailbox_id(mailbox))


async def _check(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.mailbox.stale = True
    return ok(b"Everything is on disk, as it always is")


async def _close(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    view = session.mailbox
    session.select(None)
    if view.read_only or "e" not in view.place.rights:
        return ok(b"The mailbox is closed")
    uids = await session.storage.expunge(view.id)
    if not uids:
        return ok(b"The mailbox is closed")
    session.changed(view.place.mailbox.name, ChangeKind.EXPUNGED, uids, view.place.account)
    return ok(b"The mailbox is closed")


async def _unselect(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.select(None)
    return ok(b"The mailbox is closed, and nothing was expunged")


COMMANDS = (
    Command("SELECT", _select, State.AUTHENTICATED),
    Command("EXAMINE", _examine, State.AUTHENTICATED),
    Command("CHECK", _check, State.SELECTED),
    Command("CLOSE", _close, State.SELECTED),
    Command("UNSELECT", _unselect, State.SELECTED),
)
