"""AUTH (RFC 4954): the exchanges of SASL in lines of base64."""

from __future__ import annotations

import base64
import binascii

from hub.mail.login import Identity
from hub.sasl.login import LoginContext, Refused, Unavailable
from hub.sasl.mechanisms import MAX_RESPONSE, Exchange, is_exposed, mechanisms, start
from hub.smtp import replies
from hub.smtp.dialogue import Answer, Dialogue, State
from hub.smtp.replies import Reply


def auth(dialogue: Dialogue, argument: bytes) -> Answer:
    """AUTH mechanism [initial-response]."""
    session = dialogue.session
    if not session.is_submission:
        return replies.NO_AUTH
    if not session.extended:
        return replies.GREET_FIRST
    if session.identity is not None:
        return replies.AUTH_ALREADY
    if dialogue.transaction is not None:
        return replies.AUTH_IN_TRANSACTION
    words = argument.split()
    if not 1 <= len(words) <= 2:
        return replies.AUTH_SYNTAX
    mechanism = words[0].decode("ascii", "replace").upper()
    if is_exposed(session):
        return replies.AUTH_NEEDS_TLS
    if mechanism not in mechanisms(dialogue.kernel, session):
        return replies.UNKNOWN_MECHANISM
    exchange = start(mechanism, LoginContext(dialogue.kernel, session, dialogue.trace))
    if len(words) == 1:
        return _step(dialogue, exchange, None)
    return _respond(dialogue, exchange, b"" if words[1] == b"=" else words[1])


def response(dialogue: Dialogue, line: bytes) -> Answer:
    """A line of the client within an exchange; `*` gives it up."""
    exchange, dialogue.exchange = dialogue.exchange, None
    dialogue.state = State.COMMAND
    assert exchange is not None
    if line == b"*":
        return replies.AUTH_CANCELLED
    return _respond(dialogue, exchange, line)


def _respond(dialogue: Dialogue, exchange: Exchange, encoded: bytes) -> Answer:
    if len(encoded) > MAX_RESPONSE:
        return replies.AUTH_TOO_LONG
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return replies.AUTH_NOT_BASE64
    return _step(dialogue, exchange, decoded)


async def _step(dialogue: Dialogue, exchange: Exchange, decoded: bytes | None) -> Reply:
    result = await exchange.step(decoded)
    if isinstance(result, Identity):
        dialogue.session.identity = result
        return replies.AUTH_OK
    if isinstance(result, Refused):
        return replies.AUTH_REFUSED
    if isinstance(result, Unavailable):
        return replies.AUTH_UNAVAILABLE
    dialogue.exchange, dialogue.state = exchange, State.LOGIN
    return Reply(334, "", base64.b64encode(result).decode("ascii"))
