"""Names that are to be given to mailboxes, and where mailboxes of that name would go."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.names import SEPARATOR, check_new
from hub.imap.place import Place
from hub.imap.places import find_place
from hub.imap.replies import no
from hub.imap.session import ImapSession
from hub.imap.shared import is_foreign
from hub.mail.login import AccountRef


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a mailbox would go. inner: its name as the owner knows it. above: the nearest that is there."""

    account: AccountRef
    inner: str
    above: Place | None


def checked(name: str) -> str:
    """The name. Refused, with a sentence, if no mailbox can have it."""
    try:
        check_new(name)
    except ValueError as error:
        raise no(sentence(error), b"CANNOT") from None
    return name


def sentence(error: Exception) -> bytes:
    """What an error of the storage says, for the client."""
    text = str(error).splitlines()[0] if str(error) else "That name cannot be had"
    return text.encode("ascii", "replace")


async def find_spot(session: ImapSession, name: str) -> Spot:
    """Where a new mailbox goes. Refused without the right `k` in the nearest one above it."""
    at = name.rfind(SEPARATOR)
    above = None
    while at > 0 and (above := await find_place(session, name[:at])) is None:
        at = name.rfind(SEPARATOR, 0, at)
    if not is_foreign(name):
        return Spot(session.account, name, above)
    if above is None:
        raise no(b"Among mailboxes of others there is one only below one that they share", b"NOPERM")
    above.require("k")
    return Spot(above.account, above.mailbox.name + name[at:], above)


async def inherit(session: ImapSession, spot: Spot) -> None:
    """Give a mailbox that was just made the list of rights of the one above it (RFC 4314 §4)."""
    if spot.above is None:
        return
    listed = await session.storage.rights(spot.above.mailbox.id)
    at = len(spot.above.mailbox.name)
    while listed and at < len(spot.inner):
        at = spot.inner.find(SEPARATOR, at + 1)
        at = len(spot.inner) if at < 0 else at
        made = await session.storage.mailbox(spot.account, spot.inner[:at])
        if made is not None:
            for identifier, rights in listed.items():
                await session.storage.set_rights(made.id, identifier, rights)
