"""Envelopes of many messages whose summaries are not made yet, from header blocks that are read together."""

from __future__ import annotations

from typing import Final

from hub.imap.contents import SMALL
from hub.imap.envelope import envelope
from hub.imap.listing import chunks
from hub.imap.session import ImapSession
from hub.mail.headers import Headers
from hub.services.storage import UidRanges
from hub.services.summary import MessageColumn

_WHERE: Final = (MessageColumn.LINES, MessageColumn.HEAD_SIZE, MessageColumn.BLOB)


async def envelopes(session: ImapSession, mailbox: int, uids: UidRanges) -> dict[int, bytes]:
    """By UID; without those that are large, or cannot be read like this."""
    rows = await session.storage.columns(mailbox, uids, _WHERE)
    small = [row for row in rows if row[2] <= SMALL]
    found: dict[int, bytes] = {}
    for start, end in chunks([row[2] for row in small]):
        some = small[start:end]
        read = await session.kernel.services.blobs.read_many([(blob, size) for _, _, size, blob in some])
        for (uid, lines, size, _), head in zip(some, read, strict=True):
            if isinstance(head, bytes) and len(head) == size:
                found[uid] = envelope(Headers(lines + head))
        await session.out.flow()
    return found
