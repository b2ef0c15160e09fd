"""Where the bytes of messages lie.

A blob is a header block and a body, immutable, named by an opaque reference.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from hub.mail.message import BodyFile


class BlobGone(LookupError):
    """The reference names bytes that are not there, or not whole."""


class StoreFull(OSError):
    """Nothing more is taken in: no space, quota of the disk, or too few megabytes left. Says 452 4.3.1."""


class Spool(Protocol):
    """A large body on its way in: written as it arrives to a file of its own, which becomes the blob."""

    @property
    def size(self) -> int:
        """Octets written so far."""

    async def write(self, chunk: bytes) -> None:
        """Append to the body; returns when there is room for more. StoreFull, OSError."""

    async def body(self) -> BodyFile:
        """What was written, readable by plugins until the spool is kept or discarded."""

    async def keep(self, head: bytes, recovery: bytes) -> str:
        """Put the header block before the body; durable when this returns the blob's reference."""

    async def discard(self) -> None:
        """Forget it; does nothing after `keep`."""


class Blobs(Protocol):
    """The choose-one service of message bytes, entered by the hub as an async context manager."""

    async def put(self, head: bytes, body: bytes, recovery: bytes) -> str:
        """Store a message, durable when this returns its reference (text, of up to 255 octets, that names
        this store).

        recovery: what `reindex` needs to deliver the message anew, kept in the record's header. Concurrent
        calls share one sync. StoreFull, OSError.
        """

    async def spool(self) -> Spool:
        """Begin a large message. StoreFull, OSError."""

    async def read(self, reference: str, offset: int = 0, length: int | None = None) -> bytes:
        """Octets of the header block and body as one piece, from `offset`, to the end without `length`.

        BlobGone.
        """

    def stream(self, reference: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The same in pieces of at most 256 KiB, so that a large message never is in memory whole.

        BlobGone.
        """
