"""Reading what is stored: the pieces of a message in order, wherever a collection of garbage moves its blob.

own lines ─► header block ─► body
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from hub.mail.headers import Headers
from hub.mail.login import AccountRef
from hub.services.blobs import BlobGone, Blobs
from hub.services.log import ChangeKind, LogEntry
from hub.services.queue import QueueRow, Selection
from hub.services.storage import Item, Mailbox, Storage

_AT_ONCE: Final = 200
"""UIDs whose rows are read together."""


class StoredBlob:
    """The octets of the blob that a row refers to.

    look: what the row refers to by now, None if it is gone. What was moved since the row was read is read
    where it lies now; all else that is not there is a BlobGone.
    """

    __slots__ = ("_blobs", "_look", "_reference")

    def __init__(self, blobs: Blobs, reference: str, look: Callable[[], Awaitable[str | None]]) -> None:
        self._blobs = blobs
        self._reference = reference
        self._look = look

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Part of header block and body. BlobGone."""
        try:
            return await self._blobs.read(self._reference, offset, length)
        except BlobGone as gone:
            await self._look_again(gone)
            return await self._blobs.read(self._reference, offset, length)

    async def stream(self, offset: int, length: int) -> AsyncIterator[bytes]:
        """The same as it is read, in pieces of at most 256 KiB. BlobGone."""
        end = offset + length
        while offset < end:
            try:
                async for chunk in self._blobs.stream(self._reference, offset, end - offset):
                    offset += len(chunk)
                    yield chunk
                return
            except BlobGone as gone:
                await self._look_again(gone)

    async def _look_again(self, gone: BlobGone) -> None:
        reference = await self._look()
        if reference in (None, self._reference):
            raise gone
        self._reference = reference


def item_blob(storage: Storage, blobs: Blobs, mailbox: int, item: Item) -> StoredBlob:
    """The blob of an item that is, or was, in the mailbox of that id."""

    async def look() -> str | None:
        uids = [(item.uid, item.uid)]
        found = await storage.items(mailbox, uids) or await storage.gone(mailbox, uids)
        return next((each.blob for each in found), None)

    return StoredBlob(blobs, item.blob, look)


class _Stored:
    """Header lines that are at hand, and octets that are read when they are asked for."""

    __slots__ = ("_blob", "_head_size", "headers", "size")

    def __init__(self, lines: bytes, head: bytes, size: int, blob: StoredBlob) -> None:
        self.headers = Headers(lines + head)
        self.size = size
        self._head_size = len(head)
        self._blob = blob

    async def chunks(self) -> AsyncIterator[bytes]:
        """The message from its first octet to its last, in pieces of at most 256 KiB.

        BlobGone if it is expunged meanwhile.
        """
        block = self.headers.block
        yield block
        async for chunk in self._blob.stream(self._head_size, self.size - len(block)):
            yield chunk

    async def bytes(self, limit: int = 1 << 20) -> bytes:
        """The whole message.

        ValueError if it is larger than `limit` octets, for then `chunks()` is the way. BlobGone.
        """
        if self.size > limit:
            raise ValueError(f"the message has {self.size} octets, more than {limit}: read it by chunks()")
        return b"".join([chunk async for chunk in self.chunks()])


class StoredMessage(_Stored):
    """A message in a mailbox, with what the index says of it.

    headers: its own lines (`Return-Path`, `Delivered-To`) and the header block. size: RFC822.SIZE, octets.
    """

    __slots__ = ("account", "item", "mailbox")

    def __init__(
        self, account: AccountRef, mailbox: Mailbox, item: Item, head: bytes, blob: StoredBlob
    ) -> None:
        super().__init__(item.lines, head, item.size, blob)
        self.account = account
        self.mailbox = mailbox
        self.item = item


class QueuedMessage(_Stored):
    """A message that waits to be sent on, with a row of the queue for each of its recipients elsewhere."""

    __slots__ = ("rows",)

    def __init__(self, rows: tuple[QueueRow, ...], head: bytes, blob: StoredBlob) -> None:
        super().__init__(b"", head, rows[0].size, blob)
        self.rows = rows


async def stored_message(
    storage: Storage, blobs: Blobs, account: AccountRef, mailbox: int | str, uid: int
) -> StoredMessage | None:
    """The message of that UID; mailbox: its id, or its name. None if it is not there."""
    found = await _mailbox(storage, account, mailbox)
    items = await storage.items(found.id, [(uid, uid)]) if found else ()
    return await message_of(storage, blobs, account, found, items[0]) if found and items else None


async def stored_messages(storage: Storage, blobs: Blobs, entry: LogEntry) -> AsyncIterator[StoredMessage]:
    """What an entry of the log put into a mailbox or changed there, and is there still."""
    if entry.account is None or entry.collection is None or entry.kind is ChangeKind.EXPUNGED:
        return
    mailbox = await _mailbox(storage, entry.account, entry.collection, entry.name)
    if mailbox is None or not entry.last_uid:
        return
    for first in range(entry.first_uid, entry.last_uid + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, entry.last_uid)
        for item in await storage.items(mailbox.id, [(first, last)]):
            # The range may hold items that the change left alone; their modseqs are older.
            if item.modseq >= entry.modseq and (
                message := await message_of(storage, blobs, entry.account, mailbox, item)
            ):
                yield message


async def queued_message(storage: Storage, blobs: Blobs, message_id: str) -> QueuedMessage | None:
    """The message of that id while any of it is queued, else None."""
    selection = Selection(message_id=message_id)
    rows = tuple(await storage.queue(selection=selection))
    if not rows:
        return None

    async def look() -> str | None:
        return next((row.blob for row in await storage.queue(1, selection=selection)), None)

    blob = StoredBlob(blobs, rows[0].blob, look)
    head = await _head(blob, rows[0].head_size)
    return None if head is None and await look() is None else QueuedMessage(rows, head or b"", blob)


async def message_of(
    storage: Storage, blobs: Blobs, account: AccountRef, mailbox: Mailbox, item: Item
) -> StoredMessage | None:
    """The message of an item; None if it was expunged since its row was read."""
    blob = item_blob(storage, blobs, mailbox.id, item)
    head = await _head(blob, item.head_size)
    if head is None and not await storage.items(mailbox.id, [(item.uid, item.uid)]):
        return None
    return StoredMessage(account, mailbox, item, head or b"", blob)


async def _head(blob: StoredBlob, size: int) -> bytes | None:
    """The header block, None if it is gone.

    A message whose bytes are damaged is told of all the same, for a follower could never get past it; who
    reads it has the error.
    """
    try:
        return await blob.read(0, size)
    except BlobGone:
        return None


async def _mailbox(
    storage: Storage, account: AccountRef, wanted: int | str, name: str | None = None
) -> Mailbox | None:
    """By its name, or by its id; name: what the mailbox of that id was called, which is tried first."""
    if isinstance(wanted, str):
        return await storage.mailbox(account, wanted)
    found = await storage.mailbox(account, name) if name else None
    if found is None or found.id != wanted:
        found = next((each for each in await storage.mailboxes(account) if each.id == wanted), None)
    return found
