"""LMTP (RFC 2033): SMTP from a mail server beside this one, which keeps the queue.

    LHLO ─► MAIL ─► RCPT, each answered ─► DATA or BDAT … LAST ─► one reply for each RCPT that was accepted

So a mailbox that is full once the message is there turns away its own recipient and nobody else's. A message
that is refused as a whole is refused for each. Nobody logs in: only trusted networks and Unix sockets are
served.
"""

from __future__ import annotations

from collections.abc import Awaitable
from types import MappingProxyType
from typing import ClassVar, Final

from hub.accepting.arrival import Make
from hub.config.tables.listeners import Listener
from hub.loading.kernel import Kernel
from hub.mail.address import parse_path
from hub.smtp import commands, greeting, replies, transaction
from hub.smtp.dialogue import Answer, Commands, Dialogue
from hub.smtp.limits import counted
from hub.smtp.message import end_of_data
from hub.smtp.replies import Reply, encode
from hub.smtp.server import SmtpProtocol


def factory(kernel: Kernel, listener_name: str, listener: Listener) -> Make:
    """What makes the protocol of each connection to a listener."""
    return lambda arrival=None: LmtpProtocol(kernel, listener_name, listener, arrival)


def not_lmtp(dialogue: Dialogue, argument: bytes) -> Answer:
    """HELO and EHLO, which an LMTP server has to refuse (RFC 2033 §4.1)."""
    return replies.SAY_LHLO


def mail(dialogue: Dialogue, argument: bytes) -> Answer:
    """MAIL as in SMTP."""
    if dialogue.session.greeting is None:
        return replies.LHLO_FIRST
    return transaction.mail(dialogue, argument)


def rcpt(dialogue: Dialogue, argument: bytes) -> Answer:
    """RCPT as in SMTP; each that is accepted gets a reply in the end, a repeated one too (RFC 2033 §4.2)."""
    answer = transaction.rcpt(dialogue, argument)
    return answer if answer is None or isinstance(answer, Reply) else _noted(dialogue, argument, answer)


async def _noted(dialogue: Dialogue, argument: bytes, answer: Awaitable[Reply | None]) -> Reply | None:
    reply = await answer
    under_way = dialogue.transaction
    if reply is replies.RECIPIENT_OK and under_way is not None:
        recipient, _ = parse_path(argument[3:], utf8=True)
        assert recipient is not None
        under_way.order = (*under_way.order, recipient)
    return reply


COMMANDS: Final[Commands] = MappingProxyType(
    {
        **commands.SMTP,
        b"LHLO": counted(greeting.ehlo),
        b"EHLO": not_lmtp,
        b"HELO": not_lmtp,
        b"MAIL": mail,
        b"RCPT": rcpt,
    }
)


class LmtpProtocol(SmtpProtocol):
    """One connection."""

    __slots__ = ()
    commands: ClassVar[Commands] = COMMANDS

    async def _end_message(self, piece: bytes) -> Reply:
        under_way = self._dialogue.transaction
        assert under_way is not None
        reply = await end_of_data(self._dialogue, piece)
        refused = under_way.refused or {}
        *first, last = [refused.get(each, reply) for each in under_way.order]
        for each in first:  # one message refused is one error, however often it is said
            self._dialogue.trace.add(
                "command", self._verb, f"{each.code} {each.enhanced}", detail=self._detail
            )
            self._out += encode(each)
        return last
