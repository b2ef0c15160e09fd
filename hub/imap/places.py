"""Where a mailbox name leads (RFC 2342, RFC 4314)."""

from __future__ import annotations

from dataclasses import replace

from hub.imap.place import Place
from hub.imap.replies import BYE_NO_LONGER_SHARED, NO_SUCH_MAILBOX, Refused, Reply
from hub.imap.rights import effective
from hub.imap.session import ImapSession
from hub.imap.shared import find_foreign, foreign_places, is_foreign, own_identifier
from hub.services.storage import MailboxMissing


async def find_place(session: ImapSession, name: str) -> Place | None:
    """The mailbox of that name, None if there is none, or none that this user may know of."""
    if is_foreign(name):
        return await find_foreign(session, name)
    mailbox = await session.storage.mailbox(session.account, name)
    return None if mailbox is None else Place(mailbox.name, mailbox, session.account)


async def place(
    session: ImapSession, name: str, rights: str = "", *, missing: Reply = NO_SUCH_MAILBOX
) -> Place:
    """The mailbox of that name, with these rights. Refused.

    Who may not see it in a list is told that it is not there (RFC 4314 §6).
    """
    found = await find_place(session, name)
    if found is None:
        raise Refused(missing)
    if "l" not in found.rights and not set(rights) <= set(found.rights):
        raise Refused(missing)
    found.require(rights)
    return found


async def visible_places(session: ImapSession, *, foreign: bool) -> dict[str, Place]:
    """By name, every mailbox that LIST may tell of. foreign: those of others as well."""
    account = session.account
    places = {
        mailbox.name: Place(mailbox.name, mailbox, account)
        for mailbox in await session.storage.mailboxes(account)
        if not is_foreign(mailbox.name)
    }
    if foreign:
        places |= {each.name: each for each in await foreign_places(session)}
    return places


async def still_readable(session: ImapSession) -> bool:
    """Look again at what may be done in the selected mailbox, if it is somebody else's and something has
    happened there. The session ends, with a BYE, if nothing may be read any longer.
    """
    view = session.view
    if view is None or view.place.viewer is None or not view.stale:
        return True
    try:
        listed = await session.storage.rights(view.id)
    except MailboxMissing:
        return True  # what was deleted is told as an empty mailbox
    view.place = replace(view.place, rights=effective(listed, own_identifier(session)))
    if "r" in view.place.rights:
        return True
    session.select(None)
    session.out.send(BYE_NO_LONGER_SHARED)
    session.ending = True
    return False
