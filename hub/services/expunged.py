"""What was expunged and can still be had back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hub.mail.login import AccountRef

if TYPE_CHECKING:
    from hub.services.storage import Item, Placed, UidRanges


@dataclass(frozen=True, slots=True)
class Expunged:
    """An item that was in a mailbox of that name. id: rises with time. at: seconds since the epoch."""

    id: int
    mailbox: str
    at: float
    item: Item


class Keeping(Protocol):
    """The storage's part of undelete: what is expunged, by itself or with its mailbox, stays for a while.

    It counts for no quota, and its blob is still referred to.
    """

    async def expunged(
        self, account: AccountRef, *, mailbox: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Expunged]:
        """By id, those behind `after`; of one mailbox only if it is named."""

    async def undelete(
        self, account: AccountRef, ids: Sequence[int], mailbox: str | None = None
    ) -> Sequence[Placed]:
        """Put them back under new UIDs, without \\Deleted: into the named mailbox, or where each was.

        A mailbox that is gone is made. Logged as APPENDED. What is not there any more is passed over.
        """

    async def gone(self, mailbox: int, uids: UidRanges) -> Sequence[Item]:
        """What is kept of the items of those UIDs that were expunged, or moved away, by UID.

        For sessions that were not told yet: to them it is in the mailbox still (RFC 3501 §7.4.1).
        """

    async def purge_expunged(self, before: float, limit: int = 1000) -> int:
        """Forget for good what was expunged before that moment; how many there were, at most `limit`."""
