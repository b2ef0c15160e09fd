"""APPEND (RFC 3501 §6.3.11) of one message or many (RFC 3502), and REPLACE (RFC 8508): all durable before
they are answered, or none there."""

from __future__ import annotations

from collections.abc import Sequence

from hub.imap.command import Command, State
from hub.imap.literals import collect_one
from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.replies import READ_ONLY, TRY_CREATE, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.sets import render_list
from hub.imap.tokens import Reader
from hub.imap.upload import Upload
from hub.services.log import ChangeKind
from hub.services.storage import Appended, MailboxMissing, NewItem

MAX_MESSAGES = 1000  # of one APPEND


async def _append(session: ImapSession, reader: Reader) -> Reply:
    async with Upload(session, reader) as upload:
        reader.space()
        target, items = await _received(upload, MAX_MESSAGES)
        appended = await _commit(session, target, items, None)
    return ok(b"Appended", _appenduid(appended))


async def _replace(session: ImapSession, reader: Reader) -> Reply:
    return await _run_replace(session, reader, by_uid=False)


async def _uid_replace(session: ImapSession, reader: Reader) -> Reply:
    return await _run_replace(session, reader, by_uid=True)


async def _run_replace(session: ImapSession, reader: Reader, *, by_uid: bool) -> Reply:
    view = session.mailbox
    async with Upload(session, reader) as upload:
        uid = _replaced(session, reader, by_uid=by_uid)
        reader.space()
        target, items = await _received(upload, 1)
        appended = await _commit(session, target, items, uid)
    # Before EXPUNGE, so that the client knows what has come in its place (RFC 8508 §3.3).
    session.out.send(ok(b"The replacement is there", _appenduid(appended)).line(b"*"))
    session.changed_view(ChangeKind.EXPUNGED, (uid,))
    view.stale = True
    return ok(b"Replaced")


def _replaced(session: ImapSession, reader: Reader, *, by_uid: bool) -> int:
    """The UID of the message that goes. Refused."""
    view = session.mailbox
    reader.space()
    selection = view.choose(reader.sequence_set(), by_uid=by_uid)
    if sum(end - start for start, end in selection) > 1:
        raise bad("REPLACE takes one message, not a set")
    if view.read_only:
        raise Refused(READ_ONLY)
    view.place.require("te")
    if not selection:
        raise no(b"The message is not there any more", b"NONEXISTENT")
    return view.uids[selection[0][0]]


async def _received(upload: Upload, most: int) -> tuple[Place, Sequence[NewItem]]:
    """The mailbox and the messages for it, whose octets are durable."""
    if upload.reader.at_literal():
        upload.reader = await collect_one(upload.session, upload.reader)
    target = await place(upload.session, upload.reader.mailbox(), "i", missing=TRY_CREATE)
    await upload.open(target)
    while True:
        upload.reader.space()
        await upload.message()
        if upload.reader.at_end():
            return target, upload.batch.items
        if upload.reader.peek() != b" ":
            raise bad("Something is left behind the message")
        if len(upload.batch) >= most:
            raise bad(f"There is more behind the message: at most {most} at once")


async def _commit(
    session: ImapSession, target: Place, items: Sequence[NewItem], replaced: int | None
) -> Appended:
    account, mailbox = target.account, target.mailbox
    replaces = None if replaced is None else (session.mailbox.id, replaced)
    try:
        appended = await session.storage.append(
            account, mailbox.id, items, replaces=replaces, viewer=target.viewer
        )
    except MailboxMissing:
        raise Refused(TRY_CREATE) from None
    for item, uid in zip(items, appended.uids, strict=True):
        session.trace.add("delivery", target.name, "appended", detail=f"{item.id} uid {uid}")
    session.changed(mailbox.name, ChangeKind.APPENDED, appended.uids, account)
    return appended


def _appenduid(appended: Appended) -> bytes:
    """RFC 4315 §3."""
    return b"APPENDUID %d %b" % (appended.uidvalidity, render_list(appended.uids))


COMMANDS = (
    Command("APPEND", _append, State.AUTHENTICATED, streams=True),
    Command("REPLACE", _replace, State.SELECTED, streams=True),
    Command("UID REPLACE", _uid_replace, State.SELECTED, streams=True),
)
