"""A mailbox as one user sees it: whose it is, and what may be done with it (RFC 4314)."""

from __future__ import annotations

from dataclasses import dataclass

from hub.imap.replies import Refused, Reply
from hub.mail.login import AccountRef
from hub.services.sharing import RIGHTS
from hub.services.storage import Mailbox


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox as one user sees it.

    name: as this user writes it. mailbox.name: as its owner does. account: the owner. viewer: this user, None
    if that is the owner. rights: of `RIGHTS`.
    """

    name: str
    mailbox: Mailbox
    account: AccountRef
    viewer: AccountRef | None = None
    rights: str = RIGHTS

    def require(self, rights: str) -> None:
        """Refused unless the user has every one of these."""
        missing = [right for right in rights if right not in self.rights]
        if missing:
            raise Refused(_lacks(missing[0]))


def own_use(place: Place | None) -> str | None:
    """The special use of one's own mailbox; whoever else may see it has a \\Sent of their own (RFC 6154)."""
    return place.mailbox.special_use if place is not None and place.viewer is None else None


def _lacks(right: str) -> Reply:
    return Reply(b"NO", b"You have no right '%b' in this mailbox" % right.encode(), b"NOPERM")
