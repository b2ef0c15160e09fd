"""CATENATE (RFC 4469): a message put together out of pieces of others and what the client sends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

from hub.imap.place import Place
from hub.imap.places import place
from hub.imap.replies import Refused, Reply
from hub.imap.sections import Piece, Span, cut, pieces
from hub.imap.session import ImapSession
from hub.imap.urls import MessageUrl, parse_url
from hub.mail.structure import Structure
from hub.services.blobs import BlobGone
from hub.services.storage import Item
from hub.services.stored import StoredBlob, item_blob

MAX_PIECES: Final = 1000
_AT_ONCE: Final = 128 << 10  # octets that are parsed on the event loop
_UNSHOWN: Final = re.compile(rb"[^ -~]|\]")


async def resolve(session: ImapSession, url: bytes) -> AsyncIterator[bytes]:
    """The octets that a URL names. Refused, with BADURL (RFC 4469 §5), if there are none."""
    try:
        wanted = parse_url(url)
        found = await _place(session, wanted)
        items = await session.storage.items(found.mailbox.id, [(wanted.uid, wanted.uid)], found.viewer)
        if not items:
            raise ValueError("There is no message of that UID")
        blob = item_blob(session.storage, session.kernel.services.blobs, found.mailbox.id, items[0])
        return _stream(blob, await _pieces(wanted, items[0], blob))
    except ValueError as error:
        raise _bad_url(url, str(error).encode("ascii", "replace")) from None
    except BlobGone:
        raise _bad_url(url, b"The message cannot be read now") from None
    except Refused as refused:
        raise _bad_url(url, refused.reply.text) from None


async def _place(session: ImapSession, wanted: MessageUrl) -> Place:
    """The mailbox of a URL: the selected one, if it names none."""
    if wanted.mailbox is not None:
        found = await place(session, wanted.mailbox, "r")
    elif session.view is not None:
        found = session.view.place
    else:
        raise ValueError("The URL names no mailbox and none is open")
    if wanted.uidvalidity not in (None, found.mailbox.uidvalidity):
        raise ValueError("The mailbox has another UIDVALIDITY")
    return found


async def _pieces(wanted: MessageUrl, item: Item, blob: StoredBlob) -> list[Piece]:
    whole: list[Piece] = [item.lines, Span(0, item.size - len(item.lines))]
    found: list[Piece] | None = whole
    if (section := wanted.section) is not None:
        head, structure = None, None
        if section.needs_structure:
            head = await blob.read()
            structure = Structure(head) if len(head) <= _AT_ONCE else await asyncio.to_thread(Structure, head)
        elif section.needs_head:
            head = await blob.read(0, item.head_size)
        found = pieces(section, item, head, structure)
    if found is None:
        raise ValueError("The message has no such part")
    return cut(found, *wanted.partial) if wanted.partial is not None else found


async def _stream(blob: StoredBlob, found: list[Piece]) -> AsyncIterator[bytes]:
    for piece in found:
        if isinstance(piece, bytes):
            yield piece
        elif piece.length:
            async for chunk in blob.stream(piece.offset, piece.length):
                yield chunk


def _bad_url(url: bytes, why: bytes) -> Refused:
    return Refused(Reply(b"NO", why, b"BADURL %b" % _UNSHOWN.sub(b"?", url[:200])))
