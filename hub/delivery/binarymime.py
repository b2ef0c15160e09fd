"""BODY=BINARYMIME on acceptance: what was verified as it came is kept as lines (RFC 3030 §3)."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import Iterator

from hub.delivery.accept import Content
from hub.mail.message import BodyFile
from hub.mail.reencode import reencode
from hub.services.blobs import Blobs, Spool


async def as_lines(blobs: Blobs, content: Content) -> Content:
    """The same message without binary parts; its body is a spool of its own if the other one was.

    NotMime if that cannot be done; StoreFull, OSError.
    """
    if isinstance(content.body, bytes):
        return await asyncio.to_thread(_in_memory, content.head, content.body)
    view = _view(await content.body.body())
    found = await asyncio.to_thread(reencode, content.head, view)
    if found is None:
        return content
    head, pieces = found
    return Content(head, await _spooled(blobs, pieces))


def _in_memory(head: bytes, body: bytes) -> Content:
    found = reencode(head, body)
    return Content(head, body) if found is None else Content(found[0], b"".join(found[1]))


def _view(body: BodyFile) -> memoryview:
    """The body as memory that the kernel reads in when it is looked at; unmapped once nobody refers to it."""
    with body.path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return memoryview(mapped)[body.offset : body.offset + body.size]


async def _spooled(blobs: Blobs, pieces: Iterator[bytes]) -> Spool:
    spool = await blobs.spool()
    try:
        while piece := await asyncio.to_thread(next, pieces, b""):
            await spool.write(piece)
    except BaseException:
        await spool.discard()
        raise
    return spool
