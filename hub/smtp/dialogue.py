"""One SMTP conversation without its wire: what state it is in, and which function answers which command.

A command function takes the dialogue and the octets after the verb; it gives a reply, an awaitable of one
where somebody has to be asked, or None where the octets that follow are to be read first.
"""

from __future__ import annotations

import asyncio
import enum
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from hub.config.tables.listeners import Listener
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.sasl.mechanisms import Exchange
from hub.services.directory import DirectoryUnavailable
from hub.smtp import replies
from hub.smtp.incoming import Intake
from hub.smtp.replies import Reply
from hub.smtp.session import SmtpSession, Transaction
from hub.trace.record import Trace

_log = get_logger(area="smtp")

Answer: TypeAlias = Reply | Awaitable[Reply | None] | None


class State(enum.Enum):
    """What the next octets of the client are."""

    COMMAND = "a command line"
    LOGIN = "a response in an AUTH exchange"
    DATA = "a message"
    CHUNK = "a counted piece of a message"
    TLS = "a handshake"
    CLOSING = "of no interest"


class Dialogue:
    """The state of one conversation.

    transaction: from MAIL on; incoming: from 354 or the first BDAT on; exchange: in AUTH.
    """

    __slots__ = (
        "commands",
        "counted",
        "errors",
        "exchange",
        "farewell",
        "incoming",
        "is_relay",
        "kernel",
        "listener",
        "may_start_tls",
        "messages",
        "session",
        "state",
        "trace",
        "transaction",
    )

    def __init__(self, kernel: Kernel, listener: Listener, session: SmtpSession, trace: Trace) -> None:
        self.kernel = kernel
        self.listener = listener
        self.session = session
        self.trace = trace
        self.state = State.COMMAND
        self.errors = 0
        self.commands = 0  # those that bring no mail
        self.messages = 0
        self.counted: int | None = None  # where the census counts the session
        self.may_start_tls = listener.tls == "starttls" and kernel.tls.ready  # what is offered holds
        self.is_relay = bool(listener.xclient) and session.peer[0] in listener.relays
        self.transaction: Transaction | None = None
        self.incoming: Intake | None = None
        self.farewell: asyncio.Task[None] | None = None
        self.exchange: Exchange | None = None

    @property
    def offers_tls(self) -> bool:
        """Whether STARTTLS would work now."""
        return self.may_start_tls and self.session.tls is None

    def failed(self, where: str) -> Reply:
        """Log the exception under way; what the client is told about it, which is nothing of ours."""
        if isinstance(error := sys.exception(), DirectoryUnavailable):
            _log.warning("the directory does not answer", session=self.session.id, reason=str(error))
            return replies.NO_DIRECTORY
        message = self.transaction.envelope.id if self.transaction else None
        _log.error("internal error", where=where, session=self.session.id, message=message, exc_info=True)
        return replies.INTERNAL

    def end_transaction(self) -> None:
        """Back to where MAIL can come; the generation may go."""
        transaction, self.transaction = self.transaction, None
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            self.farewell = asyncio.get_running_loop().create_task(incoming.discard())
        if transaction is not None:
            transaction.pin.release()


Command: TypeAlias = Callable[[Dialogue, bytes], Answer]
Commands: TypeAlias = Mapping[bytes, Command]
