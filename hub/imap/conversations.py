"""THREADID (RFC 8474 §5.2): which conversation a message belongs to, in the account that it lies in.

Messages are one conversation if they share an id, their own or one that they refer to; so an answer that
comes before what it answers is joined by that later on, and what nobody has is no gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final

from hub.imap.sets import compress
from hub.mail.headers import Headers
from hub.mail.references import message_id, references
from hub.services.blobs import BlobGone, Blobs
from hub.services.storage import MailboxMissing, Storage
from hub.services.stored import item_blob
from hub.services.summary import MessageColumn

NEAREST: Final = 50
"""Of the ids that a message refers to, so many of the last ones count, and the first."""

_AT_ONCE: Final = 32
"""Header blocks that are read together."""
_COLUMNS: Final = (MessageColumn.MESSAGE_ID, MessageColumn.HEADER_ID, MessageColumn.REFERENCES)


def thread_keys(item_id: str, header_id: bytes, referred: Sequence[bytes]) -> tuple[int, ...]:
    """Numbers of 63 bits for what a message refers to, the oldest first, and behind them one for itself.

    item_id: the hub's own, which stands in for an id in the header.
    """
    own = _key(header_id or b"\0" + item_id.encode())
    others = (_key(each) for each in (*referred[:1], *referred[1:][-NEAREST:]))
    return (*dict.fromkeys(key for key in others if key != own), own)


async def thread_ids(
    storage: Storage, blobs: Blobs, mailbox: int, uids: Sequence[int]
) -> Mapping[int, bytes]:
    """The THREADID of each of these messages, by UID; none for what cannot be read.

    What was not joined to a thread yet is so now.
    """
    rows = await storage.columns(mailbox, compress(uids), _COLUMNS)
    keys = {
        uid: thread_keys(item_id, header_id, referred.split(b"\n") if referred else ())
        for uid, item_id, header_id, referred in rows
        if header_id is not None
    }
    if len(keys) < len(uids):
        keys |= await _read(storage, blobs, mailbox, [uid for uid in uids if uid not in keys])
    own = [each[-1] for each in keys.values()]
    threads = await storage.threads(mailbox, own)
    if new := [each for each in keys.values() if each[-1] not in threads]:
        with suppress(MailboxMissing):
            await storage.join_threads(mailbox, new)
        threads = await storage.threads(mailbox, own)
    return {uid: b"T%016x" % threads[each[-1]] for uid, each in keys.items() if each[-1] in threads}


async def _read(
    storage: Storage, blobs: Blobs, mailbox: int, uids: Sequence[int]
) -> Mapping[int, tuple[int, ...]]:
    """The keys of messages that have no summary, and of such as are gone and kept."""
    items = [*await storage.items(mailbox, compress(uids))]
    if len(items) < len(uids):
        there = {item.uid for item in items}
        items += await storage.gone(mailbox, compress([uid for uid in uids if uid not in there]))
    found = {}
    for start in range(0, len(items), _AT_ONCE):
        some = items[start : start + _AT_ONCE]
        heads = await blobs.read_many([(item.blob, item.head_size) for item in some])
        for item, read in zip(some, heads, strict=True):
            with suppress(BlobGone):
                if isinstance(read, BlobGone):  # it was moved since its row was read, unless it is lost
                    headers = Headers(await item_blob(storage, blobs, mailbox, item).read(0, item.head_size))
                else:
                    headers = Headers(read)
                found[item.uid] = thread_keys(item.message_id, message_id(headers), references(headers))
    return found


def _key(octets: bytes) -> int:
    return int.from_bytes(blake2b(octets, digest_size=8).digest(), "big") >> 1
