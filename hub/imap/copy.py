"""COPY (RFC 3501 §6.4.7), MOVE (RFC 6851) and their UID forms: messages into another mailbox."""

from __future__ import annotations

from hub.imap.command import Command, State
from hub.imap.places import place
from hub.imap.quota import check_copy
from hub.imap.replies import EXPUNGE_ISSUED, READ_ONLY, TRY_CREATE, Refused, Reply, ok
from hub.imap.rights import permitted
from hub.imap.session import ImapSession
from hub.imap.sets import compress, render_list
from hub.imap.tokens import Reader
from hub.services.log import ChangeKind
from hub.services.storage import Copied, FlagMode, MailboxMissing


async def _copy(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False, moves=False)


async def _uid_copy(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True, moves=False)


async def _move(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=False, moves=True)


async def _uid_move(session: ImapSession, reader: Reader) -> Reply:
    return await _run(session, reader, by_uid=True, moves=True)


async def _run(session: ImapSession, reader: Reader, *, by_uid: bool, moves: bool) -> Reply:
    reader.space()
    ranges = reader.sequence_set()
    reader.space()
    name = reader.mailbox()
    reader.end()
    view = session.mailbox
    if moves:
        if view.read_only:
            raise Refused(READ_ONLY)
        view.place.require("te")
    selection = view.choose(ranges, by_uid=by_uid)
    target = await place(session, name, "i", missing=TRY_CREATE)
    nothing = b"There was nothing to move" if moves else b"There was nothing to copy"
    if not selection:
        return ok(nothing)
    uids = view.uid_ranges(selection)
    if not moves or target.account != view.place.account:
        await check_copy(session, view.id, uids, target)
    put = session.storage.move if moves else session.storage.copy
    try:
        copied = await put(view.id, uids, target.mailbox.id, session.account)
    except MailboxMissing:
        raise Refused(TRY_CREATE) from None
    if not copied.pairs:
        return ok(nothing) if by_uid else EXPUNGE_ISSUED
    there = tuple(uid for _, uid in copied.pairs)
    forbidden = view.all_flags - permitted(view.all_flags, target.rights)
    if forbidden:  # RFC 4314 §4: flags are copied as far as there is a right to set them
        await session.storage.store_flags(
            target.mailbox.id, compress(there), FlagMode.REMOVE, forbidden, viewer=target.viewer
        )
    session.changed(target.mailbox.name, ChangeKind.APPENDED, there, target.account)
    if not moves:
        return ok(b"Copied", _copyuid(copied))
    # Before EXPUNGE or VANISHED, so that the client knows where what vanishes has gone (RFC 6851 §4.3).
    session.out.send(ok(b"Moved", _copyuid(copied)).line(b"*"))
    session.changed_view(ChangeKind.EXPUNGED, [uid for uid, _ in copied.pairs])
    return ok(b"They are there now, and here no more")


def _copyuid(copied: Copied) -> bytes:
    """RFC 4315 §3."""
    sources = render_list(uid for uid, _ in copied.pairs)
    targets = render_list(uid for _, uid in copied.pairs)
    return b"COPYUID %d %b %b" % (copied.uidvalidity, sources, targets)


COMMANDS = (
    Command("COPY", _copy, State.SELECTED, attended=True),
    Command("UID COPY", _uid_copy, State.SELECTED, attended=True),
    Command("MOVE", _move, State.SELECTED, attended=True),
    Command("UID MOVE", _uid_move, State.SELECTED, attended=True),
)
