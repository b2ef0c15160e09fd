"""A message as plugins see it: a header block and a body that may be large.

The body is in memory up to a limit of the reader's and in a file above it; nobody needs to know which.
Nothing here parses until it is asked to.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.mail.headers import Headers
from hub.mail.structure import Structure


@dataclass(frozen=True, slots=True)
class BodyFile:
    """A body that lies in a file: `size` octets from `offset`."""

    path: Path
    offset: int
    size: int

    def view(self) -> memoryview:
        """The body as memory that is read in when it is looked at; unmapped once nobody refers to it.

        ValueError for an empty one.
        """
        with self.path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return memoryview(mapped)[self.offset : self.offset + self.size]


class Message:
    """One message on its way in: frozen bytes, lazily parsed.

    head: the header block including the empty line that ends it, lines ended by CRLF. Everything counts in
    octets.
    """

    __slots__ = ("_body", "_headers", "_structure", "head", "size")

    def __init__(self, head: bytes, body: bytes | BodyFile) -> None:
        self.head = head
        self._body = body
        self.size = len(head) + (len(body) if isinstance(body, bytes) else body.size)
        self._headers: Headers | None = None
        self._structure: Structure | None = None

    @property
    def headers(self) -> Headers:
        """The header block, scanned at first use."""
        if self._headers is None:
            self._headers = Headers(self.head)
        return self._headers

    @property
    def structure(self) -> Structure:
        """The MIME parts as offsets into the message.

        Scans the whole message once, so call it from a plain `def`.
        """
        if self._structure is None:
            if isinstance(self._body, bytes):
                self._structure = Structure(self.head + self._body)
            else:
                with self._map() as view:
                    self._structure = Structure(b"".join((self.head, view[self._body.offset :])))
        return self._structure

    def under(self, lines: str) -> Message:
        """The same message with header lines on top, each ended by CRLF."""
        if not lines.endswith("\r\n"):
            raise ValueError("each header line should end with CRLF")
        return Message(lines.encode() + self.head, self._body)

    def chunks(self, size: int = 65536) -> Iterator[bytes]:
        """The message from its first octet to its last, in pieces of at most `size` octets."""
        for start in range(0, len(self.head), size):
            yield self.head[start : start + size]
        yield from self.body_chunks(size)

    def body_chunks(self, size: int = 65536) -> Iterator[bytes]:
        """What follows the header block, in pieces of at most `size` octets."""
        if isinstance(self._body, bytes):
            for start in range(0, len(self._body), size):
                yield self._body[start : start + size]
            return
        left = self._body.size
        with self._body.path.open("rb", buffering=0) as file:
            file.seek(self._body.offset)
            while left and (piece := file.read(min(size, left))):
                left -= len(piece)
                yield piece
        if left:
            raise EOFError(f"{self._body.path} ends {left} octets before the message does")

    def bytes(self, limit: int = 1 << 20) -> bytes:
        """The whole message.

        ValueError if it is larger than `limit` octets, for then `chunks()` is the way.
        """
        if self.size > limit:
            raise ValueError(f"the message has {self.size} octets, more than {limit}: read it by chunks()")
        return b"".join(self.chunks())

    def _map(self) -> mmap.mmap:
        assert isinstance(self._body, BodyFile)
        with self._body.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
