"""A message on its way in, and how DATA brings it: the octets between 354 and the line with only a dot.

The buffer that they are taken from begins with a CR LF that nobody sent: so the first line is like every
other one, and a message is what lies between the first CR LF and CR LF dot CR LF (RFC 5321 §4.1.1.4).
Nothing else ends a message or a line: an LF or CR that stands alone has the whole message refused once it
has ended, so that nobody downstream can read two messages out of one.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from hub.delivery.accept import Content
from hub.log import get_logger
from hub.mail.lines import has_bare_line_end
from hub.services.blobs import Spool, StoreFull
from hub.smtp import replies
from hub.smtp.replies import Reply

END: Final = b"\r\n.\r\n"
HEAD_END: Final = b"\r\n\r\n"
IN_MEMORY: Final = 256 * 1024
"""A message up to this size stays in memory, and no header block is larger."""
PIECE: Final = 64 * 1024
"""What is written at once of a body that does not stay."""

_log = get_logger(area="smtp")

_FIELD_NAME: Final = re.compile(rb"[!-9;-~]+[ \t]*:")


def split(message: bytes) -> tuple[bytes, bytes]:
    """The header block, with the empty line that ends it even if none came, and the body.

    A message that does not begin with a header field has none, and is body from its first octet.
    """
    if not _FIELD_NAME.match(message):
        return b"\r\n", message.removeprefix(b"\r\n")
    at = message.find(HEAD_END)
    if at < 0:
        return message.removesuffix(b"\r\n") + HEAD_END, b""
    return message[: at + 4], message[at + 4 :]


class Spools(Protocol):
    """What is needed of the store of blobs."""

    async def spool(self) -> Spool:
        """Begin a large message. StoreFull, OSError."""


class Intake:
    """One message on its way in: small, its caller holds it in memory; else its body lies in a spool.

    refusal: why the message is not kept; from then on its octets are dropped as they come.
    """

    __slots__ = ("_blobs", "_head", "_limit", "_line", "_max_line", "_size", "_spool", "refusal")

    def __init__(self, blobs: Spools, limit: int, max_line: int = 0) -> None:
        self.refusal: Reply | None = None
        self._blobs = blobs
        self._limit = limit
        self._max_line = max_line  # 0 for none
        self._line = 0  # octets of the line that the last piece ended in
        self._size = 0  # octets that have left the connection's buffer
        self._head = b""
        self._spool: Spool | None = None

    @property
    def leaves(self) -> bool:
        """Whether its octets no longer stay in memory: they go to disk, or nowhere."""
        return self._spool is not None or self.refusal is not None

    def came(self, buffered: int) -> int:
        """Octets of the message so far, those that are still in the connection's buffer included."""
        return self._size + buffered

    def _measure(self, piece: bytes) -> None:
        """Refuse a message with a line beyond the limit. Looks at one octet in so many, not at each."""
        at, most = -self._line, self._max_line + 2
        while at + most < len(piece):
            end = piece.rfind(b"\n", max(at, 0), max(at + most, 0))
            if end < 0:
                self.refusal = self.refusal or replies.MESSAGE_LINE_TOO_LONG
                return
            at = end + 1
        end = piece.rfind(b"\n", max(at, 0))
        self._line = len(piece) - (at if end < 0 else end + 1)

    async def write(self, piece: bytes) -> None:
        """Put a piece of the message on disk, unless the message is refused."""
        if self._spool is None and self.refusal is None:
            self._head, piece = split(piece)
            if len(self._head) > IN_MEMORY:
                self.refusal = replies.HEAD_TOO_LARGE
        try:
            if self.refusal is None:
                self._spool = self._spool or await self._blobs.spool()
                await self._spool.write(piece)
        except StoreFull:
            self.refusal = replies.STORE_FULL
        except OSError:  # said only once the message has ended, like every other refusal
            _log.error("a message cannot be written to disk", exc_info=True)
            self.refusal = replies.INTERNAL
        if self.refusal is not None:
            await self.discard()

    async def finish(self, piece: bytes) -> Content | Reply:
        """The whole message, its last piece being this one; or the reason that there is none."""
        if self._spool is not None or len(piece) > IN_MEMORY:
            await self.write(piece)
        if self.refusal is not None:
            await self.discard()
            return self.refusal
        if self._spool is None:
            return Content(*split(piece))
        return Content(self._head, self._spool)

    async def discard(self) -> None:
        """Forget what is on disk."""
        spool, self._spool = self._spool, None
        if spool is not None:
            await spool.discard()


class Incoming(Intake):
    """A message after DATA, its beginning in the caller's buffer for as long as it fits there."""

    __slots__ = ("_from", "_scanned")

    def __init__(self, blobs: Spools, limit: int, buffer: bytearray, max_line: int = 0) -> None:
        super().__init__(blobs, limit, max_line)
        buffer[:0] = b"\r\n"
        self._from = 2  # where in the buffer the message goes on
        self._scanned = 0  # no end of the message begins before this offset

    def take_last(self, buffer: bytearray) -> bytes | None:
        """The rest of the message and its end, removed from the buffer; None while the end has not come."""
        at = buffer.find(END, self._scanned)
        if at < 0:
            self._scanned = max(0, len(buffer) - len(END) + 1)
            return None
        piece = self._take(buffer, at + 2)
        del buffer[:3]  # the dot's line
        return piece

    def take_piece(self, buffer: bytearray, spent: bool) -> bytes | None:
        """What the buffer should no longer hold, removed from it; None if it may stay.

        spent: the process holds too much already.
        """
        if len(buffer) <= PIECE:
            return None
        if len(buffer) <= IN_MEMORY and not self.leaves and not (spent and HEAD_END in buffer):
            return None
        # What may be the beginning of the end, or of a line, stays together.
        keep = next((k for k in (4, 3, 2, 1) if buffer.endswith(END[:k])), 0)
        piece = self._take(buffer, len(buffer) - keep)
        self._scanned = 0
        return piece

    def _take(self, buffer: bytearray, end: int) -> bytes:
        """Remove the octets up to `end`, without the dots that hide other dots (RFC 5321 §4.5.2)."""
        piece = bytes(memoryview(buffer)[:end])
        del buffer[:end]
        piece = piece.replace(b"\r\n.", b"\r\n")
        start, self._from = self._from, 0
        if has_bare_line_end(piece):
            self.refusal = self.refusal or replies.BARE_LINE_END
        if start:
            piece = piece[start:]
        if self._max_line:
            self._measure(piece)
        self._size += len(piece)
        if self._size > self._limit:
            self.refusal = replies.TOO_LARGE
        return piece
