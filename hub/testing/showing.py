"""A call of a plugin as one line for its author."""

from __future__ import annotations

from typing import Final

from hub.dispatch.step import describe
from hub.mail.envelope import Envelope
from hub.mail.message import Message
from hub.mail.redaction import Policy, redacted
from hub.testing.observed import Call

LONGEST: Final = 100
"""Characters of one argument."""


def arguments(call: Call, policy: Policy) -> str:
    """`session=smtp from 127.0.0.1:4711, recipient=bob@example.test`; secrets are never shown.

    policy: how addresses are.
    """
    return ", ".join(f"{name}={_shown(value, policy)}" for name, value in call.arguments.items())


def outcome(call: Call, policy: Policy) -> str:
    """What came of it: the result in a word and its detail, or why there is none, with file and line."""
    if call.failure is not None:
        where = f"  {call.failure.where}" if call.failure.where else ""
        return f"failed: {redacted(call.failure.reason, policy)}{where}"
    word, detail = describe(call.result)
    return f"{word} {redacted(detail, policy)}".rstrip()


def _shown(value: object, policy: Policy) -> str:
    if isinstance(value, Message):
        return f"{value.size} octets {redacted(value.headers.get('Subject') or '', policy)!r}"[:LONGEST]
    if isinstance(value, Envelope):
        to = ", ".join(str(redacted(each, policy)) for each in value.recipients)
        return f"{value.id} from <{redacted(value.reverse_path or '', policy)}> to [{to}]"[:LONGEST]
    peer, protocol = getattr(value, "peer", None), getattr(value, "protocol", None)
    if peer is not None and protocol is not None:  # a session
        return f"{protocol} from {peer[0]}:{peer[1]}"
    return str(redacted(value, policy))[:LONGEST]
