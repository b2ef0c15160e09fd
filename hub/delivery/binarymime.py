"""BODY=BINARYMIME on acceptance: what was verified as it came is kept as lines (RFC 3030 §3)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hub.delivery.accept import Content
from hub.mail.reencode import reencode
from hub.services.blobs import Blobs, Spool


async def as_lines(blobs: Blobs, content: Content) -> Content:
    """The same message without binary parts; its body is a spool of its own if the other one was.

    NotMime if that cannot be done; StoreFull, OSError.
    """
    if isinstance(content.body, bytes):
        return await asyncio.to_thread(_in_memory, content.head, content.body)
    body = await content.body.body()
    found = await asyncio.to_thread(reencode, content.head, body.view())
    if found is None:
        return content
    head, pieces = found
    return Content(head, await _spooled(blobs, pieces))


def _in_memory(head: bytes, body: bytes) -> Content:
    found = reencode(head, body)
    return Content(head, body) if found is None else Content(found[0], b"".join(found[1]))


async def _spooled(blobs: Blobs, pieces: Iterator[bytes]) -> Spool:
    spool = await blobs.spool()
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            await spool.write(piece)
    except BaseException:
        await spool.discard()
        raise
    return spool
