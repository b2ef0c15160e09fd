"""One account's mail, for a plugin that shows it to its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from itertools import groupby
from typing import Final

from hub.mail.login import AccountRef
from hub.services.blobs import Blobs
from hub.services.log import LogEntry
from hub.services.storage import FlagMode, Item, Mailbox, Storage
from hub.services.stored import StoredMessage, message_of

_AT_ONCE: Final = 1000
"""Rows that are read together."""


class AccountMail:
    """The mailboxes of one account and what is in them, as the owner sees them."""

    __slots__ = ("_blobs", "_storage", "account")

    def __init__(self, storage: Storage, blobs: Blobs, account: AccountRef) -> None:
        self._storage = storage
        self._blobs = blobs
        self.account = account

    async def mailboxes(self) -> Sequence[Mailbox]:
        """By name."""
        return await self._storage.mailboxes(self.account)

    async def mailbox(self, name: str = "INBOX") -> Mailbox | None:
        """By its exact name."""
        return await self._storage.mailbox(self.account, name)

    async def items(self, mailbox: Mailbox) -> AsyncIterator[Item]:
        """Everything in a mailbox, by UID; a thousand rows are read together. MailboxMissing."""
        uids = (await self._storage.states(mailbox.id)).uids
        for at in range(0, len(uids), _AT_ONCE):
            ranges = ((uids[at], uids[min(at + _AT_ONCE, len(uids)) - 1]),)
            for item in await self._storage.items(mailbox.id, ranges):
                yield item

    async def message(self, mailbox: Mailbox, uid: int) -> StoredMessage | None:
        """A message of that UID, to be read; None if it is not there (any more)."""
        items = await self._storage.items(mailbox.id, ((uid, uid),))
        return (
            await message_of(self._storage, self._blobs, self.account, mailbox, items[0]) if items else None
        )

    async def expunge(self, mailbox: Mailbox, uids: Sequence[int]) -> Sequence[int]:
        """Remove messages; the UIDs of those that were there. MailboxMissing.

        They can be had back for a while, as all that is expunged. Whoever follows the log is told.
        """
        ranges = _ranges(sorted(set(uids)))
        await self._storage.store_flags(mailbox.id, ranges, FlagMode.ADD, frozenset(("\\Deleted",)))
        return await self._storage.expunge(mailbox.id, ranges)

    def watch(self, mailbox: Mailbox, callback: Callable[[LogEntry], None]) -> Callable[[], None]:
        """Call back on the event loop with every change of a mailbox, whichever process makes it.

        Changes of just before may be among them. Gives the function that ends it.
        """

        def look(entries: Sequence[LogEntry]) -> None:
            for entry in entries:
                if entry.collection == mailbox.id:
                    callback(entry)

        return self._storage.watch(look)


def _ranges(uids: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges."""
    runs = (
        [uid for _, uid in run] for _, run in groupby(enumerate(uids), key=lambda pair: pair[1] - pair[0])
    )
    return [(run[0], run[-1]) for run in runs]
