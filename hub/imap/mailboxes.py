"""CREATE, DELETE and RENAME (RFC 9051 §6.3.4 to §6.3.6): the tree of mailboxes."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from hub.imap.command import Command, State
from hub.imap.enabled import Enabled
from hub.imap.list import choose, list_response
from hub.imap.list_options import ListRequest
from hub.imap.names import SEPARATOR
from hub.imap.new_names import Spot, checked, find_spot, inherit, sentence
from hub.imap.objectid import mailbox_id
from hub.imap.place import Place
from hub.imap.places import find_place, place, visible_places
from hub.imap.replies import ALREADY_EXISTS, NO_SUCH_MAILBOX, Refused, Reply, bad, no, ok
from hub.imap.session import ImapSession
from hub.imap.shared import is_foreign
from hub.imap.tokens import Reader
from hub.services.log import ChangeKind
from hub.services.storage import MailboxExists, MailboxMissing

_USES: Final = MappingProxyType(
    {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
)
_USE = re.compile(rb"\\[A-Za-z]++")


async def _create(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox().removesuffix(SEPARATOR)  # RFC 3501 §6.3.3: names below it will follow
    uses = _uses(reader)
    reader.end()
    spot = await find_spot(session, checked(name))
    use = await _free_use(session, spot, uses)
    try:
        mailbox = await session.storage.create_mailbox(spot.account, spot.inner, use)
    except MailboxExists:
        raise Refused(ALREADY_EXISTS) from None
    await inherit(session, spot)
    session.changed(mailbox.name, ChangeKind.CREATED, account=spot.account)
    return ok(b"Created", b"MAILBOXID (%b)" % mailbox_id(mailbox))


def _uses(reader: Reader) -> list[str]:
    """RFC 6154 §3: `(USE (\\Sent))`."""
    if reader.at_end():
        return []
    reader.space()
    reader.expect(b"(", "parameters of CREATE in parentheses")
    if reader.word("USE") != b"USE":
        raise bad("CREATE has one parameter, USE (RFC 6154 3)")
    reader.space()
    reader.expect(b"(", "a list of special uses in parentheses")
    uses = []
    while not reader.take(b")"):
        uses.append(reader.match(_USE, "a special use such as \\Sent")[0].decode("ascii"))
        if reader.peek() == b" ":
            reader.space()
    reader.expect(b")", "a closing parenthesis")
    return uses


async def _free_use(session: ImapSession, spot: Spot, uses: list[str]) -> str | None:
    """The use that the new mailbox gets. Refused (RFC 6154 §3) if it cannot."""
    if not uses:
        return None
    use = _USES.get(uses[0].lower())
    if len(uses) > 1 or use is None:
        known = " ".join(_USES.values()).encode("ascii")
        raise no(b"A mailbox is given one of these uses: %b" % known, b"USEATTR")
    if spot.account != session.account:
        raise no(b"Only its owner gives a mailbox a special use", b"USEATTR")
    if any(mailbox.special_use == use for mailbox in await session.storage.mailboxes(spot.account)):
        raise no(b"Another mailbox is %b already" % use.encode("ascii"), b"USEATTR")
    return use


async def _delete(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    name = reader.mailbox()
    reader.end()
    if name == "INBOX":
        raise no(b"INBOX cannot be deleted (RFC 3501 6.3.4)", b"CANNOT")
    found = await place(session, name, "x")
    try:
        await session.storage.delete_mailbox(found.account, found.mailbox.name)
    except MailboxMissing:
        raise Refused(NO_SUCH_MAILBOX) from None
    except MailboxExists as error:
        raise no(sentence(error), b"CANNOT") from None
    session.changed(found.mailbox.name, ChangeKind.DELETED, account=found.account)
    return ok(b"Deleted")


async def _rename(session: ImapSession, reader: Reader) -> Reply:
    reader.space()
    old = reader.mailbox()
    reader.space()
    new = reader.mailbox().removesuffix(SEPARATOR)
    reader.end()
    found = await place(session, old, "x")
    spot = await find_spot(session, checked(new))
    if spot.account != found.account:
        raise no(b"A mailbox stays its owner's: make a new one and copy the messages", b"CANNOT")
    if found.viewer is not None and found.mailbox.name == "INBOX":
        raise no(b"Only its owner can empty an INBOX into another mailbox", b"CANNOT")
    try:
        await session.storage.rename_mailbox(found.account, found.mailbox.name, spot.inner)
    except MailboxMissing:
        raise Refused(NO_SUCH_MAILBOX) from None
    except MailboxExists as error:
        if await find_place(session, new) is not None:
            raise Refused(ALREADY_EXISTS) from None
        raise no(sentence(error), b"CANNOT") from None
    _rename_view(session, found, new, spot)
    if Enabled.IMAP4REV2 in session.enabled and found.mailbox.name != "INBOX":
        await _tell_renamed(session, found.name, new)
    session.changed(spot.inner, ChangeKind.RENAMED, account=found.account)
    if session.view is not None:
        session.view.stale = True  # INBOX was emptied
    return ok(b"Renamed")


def _rename_view(session: ImapSession, old: Place, new: str, spot: Spot) -> None:
    """The selected mailbox may be the one, or below it; INBOX stays what it is."""
    view = session.view
    if view is None or old.mailbox.name == "INBOX" or view.place.account != old.account:
        return
    seen, moved = view.place, old.mailbox.name
    if (seen.mailbox.name + SEPARATOR).startswith(moved + SEPARATOR):
        rest = seen.mailbox.name[len(moved) :]
        view.name = new + rest
        view.place = replace(seen, name=new + rest, mailbox=replace(seen.mailbox, name=spot.inner + rest))


async def _tell_renamed(session: ImapSession, old: str, new: str) -> None:
    """RFC 9051 §6.3.6.1: LIST with OLDNAME."""
    places = await visible_places(session, foreign=is_foreign(new))
    for listed in choose(ListRequest((new,), extended=True), places, set()):
        session.out.send(list_response(session, replace(listed, old=old)))


COMMANDS = (
    Command("CREATE", _create, State.AUTHENTICATED),
    Command("DELETE", _delete, State.AUTHENTICATED),
    Command("RENAME", _rename, State.AUTHENTICATED),
)
