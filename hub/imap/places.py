"""Where a mailbox name leads (RFC 2342, RFC 4314)."""

from __future__ import annotations

from hub.imap.place import Place
from hub.imap.replies import NO_SUCH_MAILBOX, Refused, Reply
from hub.imap.session import ImapSession


async def find_place(session: ImapSession, name: str) -> Place | None:
    """The mailbox of that name, None if there is none, or none that this user may know of."""
    mailbox = await session.storage.mailbox(session.account, name)
    return None if mailbox is None else Place(mailbox.name, mailbox, session.account)


async def place(
    session: ImapSession, name: str, rights: str = "", *, missing: Reply = NO_SUCH_MAILBOX
) -> Place:
    """The mailbox of that name, with these rights. Refused."""
    found = await find_place(session, name)
    if found is None:
        raise Refused(missing)
    found.require(rights)
    return found
