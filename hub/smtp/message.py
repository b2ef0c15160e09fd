"""From the last octet of a message to its reply: checked, given its trace fields, and kept."""

from __future__ import annotations

from typing import Final

from hub.delivery.accept import Content, accept
from hub.delivery.headers import MAX_RECEIVED, own_message_id, received, received_count
from hub.dispatch.failure import HookFailed
from hub.dispatch.verdicts import CLEAN, Decision, decide
from hub.hooks.delivery import message_refused
from hub.hooks.message import check_message
from hub.mail.headers import Headers
from hub.mail.message import Message
from hub.services.blobs import StoreFull
from hub.smtp import replies
from hub.smtp.dialogue import Dialogue
from hub.smtp.replies import Reply, refusal
from hub.smtp.session import Transaction
from hub.smtp.submission import may_use_from, missing_fields

TRACE_CHUNK: Final = 200
"""A session with more records than this has them written after the message under way, not only at its end."""


async def end_of_data(dialogue: Dialogue, piece: bytes) -> Reply:
    """Answer a whole message whose last octets are given; the transaction ends here, whatever happens."""
    incoming, transaction = dialogue.incoming, dialogue.transaction
    assert incoming is not None
    assert transaction is not None
    try:
        reply = await incoming.finish(piece)
        if not isinstance(reply, Reply):
            reply = await _judge(dialogue, transaction, reply)
    except HookFailed:
        reply = replies.INTERNAL
    except Exception:
        reply = dialogue.failed("message")
    finally:
        await incoming.discard()
        dialogue.end_transaction()
        if len(dialogue.trace) > TRACE_CHUNK:
            dialogue.kernel.write_trace(dialogue.trace)
    if reply.code >= 400:
        _tell_refused(dialogue, transaction, reply)
    return reply


async def _judge(dialogue: Dialogue, transaction: Transaction, content: Content) -> Reply:
    """Loop, sender's rights and checks, then the commit."""
    if received_count(content.head) > MAX_RECEIVED:
        return replies.LOOP
    named = own_message_id(content.head)
    if named:
        dialogue.trace.add("note", "Message-ID", "read", detail=named)
    kernel, session, envelope = dialogue.kernel, dialogue.session, transaction.envelope
    hostname, now = kernel.settings.hub.hostname, kernel.services.clock.time()
    top = received(session, envelope, hostname, now, extended=session.extended)
    if session.identity is not None:
        headers = Headers(content.head)
        if not await may_use_from(kernel.services.directory, session.identity, headers):
            return replies.NOT_YOUR_FROM
        top += missing_fields(headers, session.identity, envelope, hostname, now)
    content = Content(top + content.head, content.body)
    decision = await _check(dialogue, transaction, content)
    if decision.answer is not None:
        return refusal(decision.answer, 554, 451)
    try:
        result = await accept(
            kernel,
            transaction.pin,
            session,
            dialogue.trace,
            envelope,
            tuple(transaction.recipients.values()),
            content,
            decision,
        )
    except StoreFull:
        return replies.STORE_FULL
    return replies.delivered(envelope.id) if result.placed else replies.queued(envelope.id)


async def _check(dialogue: Dialogue, transaction: Transaction, content: Content) -> Decision:
    """What all checks together say."""
    plan = transaction.pin.collect(check_message)
    if not plan:
        return CLEAN
    body = content.body if isinstance(content.body, bytes) else await content.body.body()
    answers = await plan(
        dialogue.trace,
        session=dialogue.session,
        envelope=transaction.envelope,
        message=Message(content.head, body),
    )
    checks = dialogue.kernel.settings.checks
    decision = decide(
        answers,
        junk_score=checks.junk_score,
        reject_score=checks.reject_score,
        failed=replies.CHECK_FAILED,
        too_high=replies.SCORE_TOO_HIGH,
    )
    dialogue.trace.add(
        "note", "checks", decision.place, detail=f"score {decision.score:+g} {'; '.join(decision.reasons)}"
    )
    return decision


def _tell_refused(dialogue: Dialogue, transaction: Transaction, reply: Reply) -> None:
    plan = transaction.pin.notify(message_refused)
    if plan:
        plan(
            session=dialogue.session,
            envelope=transaction.envelope,
            code=reply.code,
            text=f"{reply.enhanced} {reply.text}",
        )
