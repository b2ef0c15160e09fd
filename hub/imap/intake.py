"""One message on its way in: in memory while it is small, then its body in a file of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from hub.delivery.accept import Content
from hub.delivery.binarymime import as_lines
from hub.imap.replies import Refused, no
from hub.imap.session import ImapSession
from hub.mail.headers import split_head
from hub.mail.message import Message
from hub.mail.reencode import NotMime
from hub.services.blobs import Spool

IN_MEMORY: Final = 256 << 10
MAX_HEAD: Final = 1 << 20
_BLANK_LINE: Final = re.compile(rb"\n\r?\n|\A\r?\n")


class Intake:
    """Takes octets until there are no more; then it is a message. Close it whatever happens.

    size: octets so far. limit: that it may have.
    """

    __slots__ = (
        "_binary",
        "_blobs",
        "_budget",
        "_failure",
        "_has_nul",
        "_limit",
        "_memory",
        "_spools",
        "size",
    )

    def __init__(self, session: ImapSession) -> None:
        self._blobs = session.kernel.services.blobs
        self._budget = session.kernel.budget
        self._limit = session.kernel.settings.imap.max_literal
        self._memory = bytearray()
        self._spools: list[Spool] = []
        self._failure: Exception | None = None
        self._binary = self._has_nul = False
        self.size = 0

    def expect(self, size: int, *, binary: bool = False) -> None:
        """So many octets will come; binary ones may hold NUL (RFC 3516 §4). Refused: too many."""
        if self.size + size > self._limit:
            raise self._too_big()
        self._binary = self._binary or binary

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """Read them all, whatever goes wrong with them: `check` tells of it, nobody can be told before."""
        async for chunk in chunks:
            if self._failure is None:
                try:
                    await self._write(chunk)
                except Exception as error:
                    self._failure = error

    def check(self) -> None:
        """Raise what has gone wrong so far: Refused, StoreFull, OSError."""
        if self._failure is not None:
            raise self._failure

    async def content(self) -> Content:
        """What has come, as lines. Refused, StoreFull, OSError."""
        self.check()
        if self._spools:
            content = Content(bytes(self._memory), self._spools[0])
        else:
            data = bytes(self._memory)
            head_size = split_head(data)
            content = Content(data[:head_size], data[head_size:])
        return await self._re_encoded(content) if self._binary else content

    async def close(self) -> None:
        """Forget what nobody has kept."""
        self._budget.change(-len(self._memory))
        self._memory.clear()
        for spool in self._spools:
            await spool.discard()

    async def _write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._limit:
            raise self._too_big()
        if self._binary and b"\0" in chunk:
            self._has_nul = True
        if self._spools:
            await self._spools[0].write(chunk)
            return
        self._memory += chunk
        self._budget.change(len(chunk))
        if len(self._memory) > IN_MEMORY:
            await self._spill()

    async def _spill(self) -> None:
        """Let the body go on in a file, once it is known where it begins."""
        found = _BLANK_LINE.search(self._memory)
        if found is None:
            if len(self._memory) > MAX_HEAD:
                raise no(b"The header of the message has more than %d octets" % MAX_HEAD, b"TOOBIG")
            return
        spool = await self._blobs.spool()
        self._spools.append(spool)
        body = bytes(self._memory[found.end() :])
        del self._memory[found.end() :]
        self._budget.change(-len(body))
        await spool.write(body)

    async def _re_encoded(self, content: Content) -> Content:
        """Nothing that is stored holds NUL: binary parts become base64, as those of BINARYMIME do."""
        if not isinstance(content.body, bytes) and not content.body.size:
            return content
        try:
            made = await as_lines(self._blobs, content)
        except NotMime as error:
            if not self._has_nul:
                return content
            raise no(b"The message holds NUL and cannot be re-encoded: %b" % str(error).encode()) from error
        if not isinstance(made.body, bytes) and made.body is not content.body:
            self._spools.append(made.body)
        return made

    def _too_big(self) -> Refused:
        return no(b"The message has more than %d octets" % self._limit, b"TOOBIG")


async def as_message(content: Content) -> Message:
    """The same for plugins to look at."""
    body = content.body
    return Message(content.head, body if isinstance(body, bytes) else await body.body())
