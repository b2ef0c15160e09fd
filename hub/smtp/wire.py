"""The octets of one SMTP connection: what the client has said, what is said to it, and who waits for whom.

    data_received ──► _buffer ──► _go_on (the server's) ──► _out ──► one write for what was read in one turn

`Wire` is a subclass of aiosmtpd's `SMTP`, so whatever takes a protocol of aiosmtpd takes this one; inherited
are the vocabulary of commands with the texts of HELP, and nothing that happens per octet or per connection.
What is replaced and why: the constructor (it looks through all members of handler and server for every
connection, and finds out the host's name by DNS), the reader and its task (a task and a stream for every idle
connection), the loop over lines of DATA, the write and drain after every reply (no pipelining), sizes kept
in a dictionary that connections share, the text of exceptions sent to clients, an end of file that cancels a
delivery half-way, and AUTH, which is not offered under implicit TLS.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import Final

from aiosmtpd.smtp import SMTP

from hub.loading.kernel import Kernel
from hub.sasl.mechanisms import MAX_RESPONSE
from hub.smtp.dialogue import Dialogue, State

MAX_BUFFER: Final = 64 * 1024
"""While a command runs no more is read than this, and what was read before."""


class Wire(SMTP):
    """One connection. deadline: on the loop's clock, when the client will have been silent for too long."""

    __slots__ = (
        "_buffer",
        "_dialogue",
        "_eof",
        "_held",
        "_is_busy",
        "_is_corked",
        "_is_lost",
        "_is_paused",
        "_kernel",
        "_loop",
        "_out",
        "_skipping",
        "_slow",
        "_transport",
        "deadline",
    )
    deadline: float
    _dialogue: Dialogue
    _transport: asyncio.Transport

    def __init__(self, kernel: Kernel) -> None:
        self._loop = asyncio.get_running_loop()
        self._kernel = kernel
        self._buffer = bytearray()
        self._out = bytearray()
        self._is_busy = False  # a command is under way, or a message on its way to disk
        self._skipping = False  # the rest of a line that was too long
        self._slow = False  # the client does not read what we write
        self._is_paused = False  # we do not read what the client writes
        self._eof = False
        self._is_lost = False
        self._is_corked = False  # what we say waits for what is said to others
        self._held = 0  # octets that the budget knows of

    def __del__(self) -> None:
        """Nothing: aiosmtpd's looks after a future that is not made here."""

    @abstractmethod
    def _go_on(self) -> None:
        """Answer what lies in the buffer."""

    @abstractmethod
    def _end(self) -> None:
        """Nothing more happens for this connection."""

    # -- what the transport calls -----------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what the client sends, and answer it if nothing is under way."""
        buffer = self._buffer
        buffer += data
        if self._dialogue.state is State.DATA:
            self._hold(len(buffer))
        if not self._is_busy and not self._slow:
            self._go_on()
        elif len(buffer) > MAX_BUFFER and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The client has said all; what it has said is still answered, where the transport allows it."""
        self._eof = True
        if self._is_busy or self._slow:
            return self._dialogue.session.tls is None
        self._flush()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; a message that is being kept is kept all the same."""
        if self._is_lost:
            return
        self._is_lost = True
        if not self._is_busy:
            self._end()

    def pause_writing(self) -> None:
        """The client reads too slowly: it gets no more to read."""
        self._slow = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._slow = False
        if not self._is_busy:
            self._go_on()
            self._read_on()

    # -- what the server calls --------------------------------------------------------------------

    def _take_line(self) -> bytes | None:
        """The next command without its end, removed from the buffer; a bare LF stays on it to be refused."""
        buffer = self._buffer
        at = buffer.find(b"\n")
        if at < 0:
            if len(buffer) > MAX_RESPONSE + 2:
                buffer.clear()
                self._skipping = True
            return None
        if self._skipping:
            self._skipping = False
            line = b" " * (MAX_RESPONSE + 1)
        elif at and buffer[at - 1] == 13:
            line = bytes(memoryview(buffer)[: at - 1])
        else:
            line = bytes(memoryview(buffer)[: at + 1])
        del buffer[: at + 1]
        return line

    def _flush(self) -> None:
        if self._out and not self._is_lost:
            self._transport.write(bytes(self._out))
        self._out.clear()

    def _uncork(self) -> None:
        self._is_corked = False
        self._flush()
        if not (self._eof or self._dialogue.state is State.CLOSING):
            self._heard()
        elif not self._is_busy and not self._is_lost:
            self._transport.close()

    def _read_on(self) -> None:
        """Read again, unless there is still enough to do."""
        if self._is_paused and not self._is_busy and not self._slow:
            self._is_paused = False
            self._transport.resume_reading()

    def _heard(self) -> None:
        """Commands were answered: the next one is waited for from now on, however it drips in."""
        settings = self._kernel.settings.smtp
        greeted = self._dialogue.session.greeting is not None
        self.deadline = self._loop.time() + (settings.timeout if greeted else settings.greeting_timeout)

    def _hold(self, octets: int) -> None:
        if octets != self._held:
            change, self._held = octets - self._held, octets
            self._kernel.budget.change(change)
