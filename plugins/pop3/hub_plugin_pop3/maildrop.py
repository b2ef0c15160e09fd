"""The maildrop of one session: what was in INBOX when it began, by number (RFC 1939 §5)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hub import AccountMail, Mailbox, StoredMessage


class NoSuchMessage(LookupError):
    """There is no message of that number, or it is marked as deleted."""


@dataclass(slots=True)
class Maildrop:
    """UIDs and sizes in two arrays: twelve octets for a message. deleted: the numbers that DELE named."""

    mail: AccountMail
    inbox: Mailbox
    uids: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    deleted: set[int] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Messages that are not marked as deleted."""
        return len(self.uids) - len(self.deleted)

    @property
    def octets(self) -> int:
        """What they have together."""
        return sum(self.sizes) - sum(self.sizes[number - 1] for number in self.deleted)

    @property
    def numbers(self) -> Iterator[int]:
        """Those that are not marked as deleted."""
        return (number for number in range(1, len(self.uids) + 1) if number not in self.deleted)

    def find(self, text: str) -> int:
        """The number that a client has written. NoSuchMessage."""
        if not (text.isascii() and text.isdecimal() and len(text) < 12):
            raise NoSuchMessage(f"{text[:20]!r} is not the number of a message")
        number = int(text)
        if not 1 <= number <= len(self.uids):
            raise NoSuchMessage(f"there is no message {number}, there are {len(self.uids)}")
        if number in self.deleted:
            raise NoSuchMessage(f"message {number} is marked as deleted; RSET takes that back")
        return number

    def unique_id(self, number: int) -> str:
        """RFC 1939 §7: UIDVALIDITY and UID never stand for another message, whichever node says them."""
        return f"{self.inbox.uidvalidity:x}.{self.uids[number - 1]:x}"

    async def read(self, number: int) -> StoredMessage:
        """A message. NoSuchMessage if another client has expunged it meanwhile."""
        message = await self.mail.message(self.inbox, self.uids[number - 1])
        if message is None:
            raise NoSuchMessage(f"message {number} was removed by another client")
        return message

    async def update(self) -> Sequence[int]:
        """Remove what is marked (RFC 1939 §6); the UIDs of what was there still."""
        marked = [self.uids[number - 1] for number in sorted(self.deleted)]
        return await self.mail.expunge(self.inbox, marked) if marked else ()


async def open_maildrop(mail: AccountMail) -> Maildrop:
    """What is in INBOX now."""
    inbox = await mail.mailbox()
    assert inbox is not None  # every account has it
    drop = Maildrop(mail, inbox)
    async for item in mail.items(inbox):
        drop.uids.append(item.uid)
        drop.sizes.append(item.size)
    return drop
