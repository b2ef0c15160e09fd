"""SELECT and EXAMINE, CHECK, CLOSE (RFC 3501 §6.3.1, §6.4), UNSELECT (RFC 3691): which mailbox is looked
at."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.places import place
from hub.imap.render import SYSTEM_FLAGS
from hub.imap.replies import Reply, ok
from hub.imap.session import ImapSession
from hub.imap.tokens import Reader
from hub.imap.updates import tell_flags
from hub.imap.view import View
from hub.services.log import ChangeKind


async def _select(session: ImapSession, reader: Reader) -> Reply:
    return await _open(session, reader, read_only=False)


async def _examine(session: ImapSession, reader: Reader) -> Reply:
    return await _open(session, reader, read_only=True)


async def _open(session: ImapSession, reader: Reader, *, read_only: bool) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    session.select(None)  # also when the new one cannot be opened (RFC 3501 §6.3.1)
    found = await place(session, name, "r")
    mailbox = found.mailbox
    states = await session.storage.states(mailbox.id, found.viewer)
    view = View(found, states, read_only=read_only)
    session.select(view)
    view.stale = True  # the two reads above are not one
    out = session.out
    tell_flags(out, view)
    out.send(b"* %d EXISTS\r\n* 0 RECENT\r\n" % len(view))
    if (unseen := view.first_unseen()) is not None:
        out.send(b"* OK [UNSEEN %d] The first unseen message\r\n" % unseen)
    permanent = "" if read_only else " ".join((*SYSTEM_FLAGS, "\\*"))
    out.send(b"* OK [PERMANENTFLAGS (%b)] What can be changed\r\n" % permanent.encode("ascii"))
    uidnext = max(mailbox.uidnext, view.uids[-1] + 1 if len(view) else 1)
    out.send(b"* OK [UIDVALIDITY %d] UIDs are valid\r\n" % mailbox.uidvalidity)
    out.send(b"* OK [UIDNEXT %d] The next UID\r\n" % uidnext)
    return ok(b"The mailbox is open", b"READ-ONLY" if read_only else b"READ-WRITE")


async def _check(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    session.mailbox.stale = True
    return ok(b"Everything is on disk, as it always is")


async def _close(session: ImapSession, reader: Reader) -> Reply:
    reader.end()
    view = session.mailbox
    session.select(None)
    if not view.read_only:
        uids = await session.storage.expunge(view.id)
        if uids:
            session.changed(view.place.mailbox.name, ChangeKind.EXPUNGED, tuple(uids), view.place.account)
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
