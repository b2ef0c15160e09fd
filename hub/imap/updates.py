"""Telling a client what has happened to its mailbox: EXPUNGE, EXISTS, FLAGS, FETCH (RFC 3501 §7.3, §7.4)."""

from __future__ import annotations

from hub.imap.output import Output
from hub.imap.render import SYSTEM_FLAGS, flag_list, ordered
from hub.imap.session import ImapSession
from hub.imap.view import View
from hub.services.storage import MailboxChanges, MailboxMissing


async def tell(session: ImapSession, *, expunged: bool, with_uid: bool = False) -> None:
    """Bring the view up to date and the client with it. expunged: sequence numbers may change now.

    A mailbox that was deleted is told as an empty one.
    """
    view, out = session.view, session.out
    if view is None:
        return
    if view.stale:
        view.stale = False
        try:
            changes = await session.storage.changes(view.id, view.modseq, view.place.viewer)
        except MailboxMissing:
            changes = MailboxChanges(view.modseq, 0, (), ((1, (1 << 32) - 1),))
        update = view.apply(changes)
        if view.learn(set().union(*{state.flags for state in changes.changed})):
            tell_flags(out, view)
        if expunged and view.vanished:
            flagged_uids = [view.uids[at] for at in update.flagged]
            await _tell_expunged(out, view)
            flagged = [at for uid in flagged_uids if (at := view.index(uid)) is not None]
        else:
            flagged = list(update.flagged)
        if update.grown:
            out.send(b"* %d EXISTS\r\n* 0 RECENT\r\n" % len(view))
        for at in flagged:
            out.send(fetched_flags(view, at, with_uid=with_uid))
            await out.flow()
    elif expunged and view.vanished:
        await _tell_expunged(out, view)


def tell_flags(out: Output, view: View) -> None:
    """Which flags the mailbox has: all system flags and the keywords in use."""
    out.send(b"* FLAGS (%b)\r\n" % known_flags(view))


def known_flags(view: View) -> bytes:
    """The names of all flags of the mailbox."""
    return " ".join((*SYSTEM_FLAGS, *ordered(view.keywords.values()))).encode("ascii", "replace")


def fetched_flags(view: View, at: int, *, with_uid: bool) -> bytes:
    """The untagged FETCH that tells one message's flags."""
    if with_uid:
        return b"* %d FETCH (UID %d FLAGS %b)\r\n" % (at + 1, view.uids[at], flag_list(view.flags[at]))
    return b"* %d FETCH (FLAGS %b)\r\n" % (at + 1, flag_list(view.flags[at]))


async def _tell_expunged(out: Output, view: View) -> None:
    for number in view.take_expunged():
        out.send(b"* %d EXPUNGE\r\n" % number)
        await out.flow()
