"""BDAT (RFC 3030): a message in chunks whose octets are counted, so nothing in them is a command or an end.

A chunk is always read to its end, also one that nobody wants; only then it is answered. Once a chunk was
refused, those that follow are too, until RSET or the last one. A message of lines (all but BODY=BINARYMIME)
is held to the rule of DATA: a CR or LF that stands alone has it refused, for what is sent on from here may
have to go by DATA. Nothing is added to what was sent and nothing is left out, a final line end neither.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from hub.loading.budget import Budget
from hub.mail.lines import has_bare_line_end
from hub.smtp import replies
from hub.smtp.dialogue import Answer, Dialogue, State
from hub.smtp.incoming import HEAD_END, IN_MEMORY, PIECE, Intake, Spools
from hub.smtp.limits import count_command
from hub.smtp.message import TRACE_CHUNK, tell_refused
from hub.smtp.replies import Reply

SMALL: Final = 1024
"""A chunk of fewer octets, other than the last, counts as a command that brings no mail."""

_ARGUMENT: Final = re.compile(rb"([0-9]{1,20})(?:[ \t]+(LAST))?", re.IGNORECASE)

Finish: TypeAlias = Callable[[bytes], Awaitable[Reply | None]]
"""Answers a whole message, of which it gets the octets that are not on disk."""


class Chunks(Intake):
    """A message on its way in by BDAT. binary: its octets need not be lines. budget: knows what is held here.

    size: octets of the chunk under way; is_last: nothing comes after it.
    """

    __slots__ = ("_binary", "_budget", "_held", "_left", "is_last", "size")

    def __init__(self, blobs: Spools, limit: int, budget: Budget, max_line: int = 0, *, binary: bool) -> None:
        super().__init__(blobs, limit, max_line)
        self._binary = binary
        self._budget = budget
        self._held = bytearray()
        self._left = 0  # octets of the chunk that have not come
        self.size = 0
        self.is_last = False

    def expect(self, size: int, *, is_last: bool) -> None:
        """Begin a chunk."""
        self.size = self._left = size
        self.is_last = is_last
        self._size += size
        if self._size > self._limit:
            self.refuse(replies.TOO_LARGE)

    def take(self, buffer: bytearray) -> bool:
        """Take what has come of the chunk out of the buffer; whether that is all of it."""
        piece = bytes(memoryview(buffer)[: self._left])
        del buffer[: len(piece)]
        self._left -= len(piece)
        if self.refusal is None:
            self._held += piece
            self._budget.change(len(piece))
        return not self._left

    def came(self, buffered: int) -> int:
        """As above; what the client has announced and not sent does not count."""
        return self._size - self._left + buffered

    def take_piece(self) -> bytes | None:
        """What should no longer be held in memory; None if it may stay."""
        held = self._held
        if len(held) <= PIECE:
            return None
        if self._spool is None and len(held) <= IN_MEMORY and not (self._budget.spent and HEAD_END in held):
            return None
        return self._let_go(len(held) - held.endswith(b"\r"))  # a line end stays together

    def rest(self) -> bytes:
        """What is held at the end of the message."""
        return self._let_go(len(self._held))

    def refuse(self, reply: Reply) -> None:
        """Keep nothing of the message; the first reason counts."""
        self.refusal = self.refusal or reply
        self._let_go(len(self._held))

    async def discard(self) -> None:
        """Forget what is held and what is on disk."""
        self._let_go(len(self._held))
        await super().discard()

    def _let_go(self, end: int) -> bytes:
        piece = bytes(memoryview(self._held)[:end])
        del self._held[:end]
        self._budget.change(-len(piece))
        if not self._binary and self.refusal is None:
            if has_bare_line_end(piece):
                self.refusal = replies.BARE_LINE_END
            elif self._max_line:
                self._measure(piece)
        return piece


def bdat(dialogue: Dialogue, argument: bytes) -> Answer:
    """BDAT octets [LAST]; answered once these octets have come."""
    words = _ARGUMENT.fullmatch(argument)
    if words is None:
        dialogue.state = State.CLOSING  # what follows may be a message, and would be taken for commands
        return replies.BDAT_SYNTAX
    size, is_last = int(words[1]), bool(words[2])
    if size < SMALL and not is_last and (too_many := count_command(dialogue)):
        return too_many
    kernel, transaction, chunks = dialogue.kernel, dialogue.transaction, dialogue.incoming
    is_new = chunks is None
    if chunks is None:
        binary = transaction is not None and transaction.envelope.body == "BINARYMIME"
        settings = kernel.settings.smtp
        chunks = Chunks(
            kernel.services.blobs, settings.max_size, kernel.budget, settings.max_line, binary=binary
        )
        dialogue.incoming = chunks
        if transaction is None or not transaction.recipients:
            chunks.refuse(replies.NEED_RCPT if transaction else replies.NEED_MAIL)
    assert isinstance(chunks, Chunks)
    chunks.expect(size, is_last=is_last)
    dialogue.state = State.CHUNK
    return _room(kernel.budget) if is_new and kernel.budget.spent and chunks.refusal is None else None


async def _room(budget: Budget) -> None:
    await budget.room()


def read(dialogue: Dialogue, buffer: bytearray, finish: Finish) -> Answer:
    """Take a chunk out of the buffer, as far as it has come; None if more has to come."""
    chunks = dialogue.incoming
    assert isinstance(chunks, Chunks)
    is_whole = chunks.take(buffer)
    piece = chunks.take_piece()
    if piece is not None:
        return chunks.write(piece)
    if not is_whole:
        return None
    dialogue.state = State.COMMAND
    if chunks.refusal in (replies.NEED_MAIL, replies.NEED_RCPT):
        dialogue.incoming = None
        return chunks.refusal
    if chunks.is_last:
        return finish(chunks.rest())
    if chunks.refusal is None:
        if len(dialogue.trace) > TRACE_CHUNK:
            dialogue.kernel.write_trace(dialogue.trace)
        return replies.chunk_taken(chunks.size)
    reply, chunks.refusal = chunks.refusal, replies.CHUNK_REFUSED
    if reply is not replies.CHUNK_REFUSED:
        assert dialogue.transaction is not None
        tell_refused(dialogue, dialogue.transaction, reply)
    return reply
