"""From the last octet of a message to its reply: checked, given its trace fields, and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hub.delivery.accept import Content, accept
from hub.delivery.headers import MAX_RECEIVED, own_message_id, received, received_count
from hub.dispatch.failure import HookFailed
from hub.dispatch.judging import JUDGED, Judged, content_key
from hub.dispatch.verdicts import CLEAN, Decision, decide, unjudged
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
from hub.smtp.transaction import with_room

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
        dialogue.incoming = None
        dialogue.end_transaction()
        if len(dialogue.trace) > TRACE_CHUNK:
            dialogue.kernel.write_trace(dialogue.trace)
    if reply.code >= 400 and reply is not replies.CHUNK_REFUSED:
        tell_refused(dialogue, transaction, reply)
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
    decision = await _check(dialogue, transaction, content, len(top))
    if decision.answer is not None:
        return refusal(decision.answer, 554, 451)
    recipients = tuple(transaction.recipients.values())
    if transaction.order:  # LMTP: each recipient is answered for itself
        recipients = await with_room(dialogue, transaction, content.size)
        if not recipients:
            return replies.MAILBOX_FULL
        envelope = replace(envelope, recipients=tuple(each.address for each in recipients))
    try:
        result = await accept(
            kernel,
            transaction.pin,
            session,
            dialogue.trace,
            envelope,
            recipients,
            content,
            decision,
        )
    except StoreFull:
        return replies.STORE_FULL
    return replies.delivered(envelope.id) if result.placed else replies.queued(envelope.id)


async def _check(dialogue: Dialogue, transaction: Transaction, content: Content, own: int) -> Decision:
    """What all checks together say; none is asked about what the hub has died of.

    own: octets of the header block that the hub has put there.
    """
    plan, judging = transaction.pin.collect(check_message), dialogue.kernel.judging
    if not plan:
        return CLEAN
    key = content_key(content.head[own:], content.size - len(content.head))
    if why := judging.set_aside.get(key):
        dialogue.trace.add("note", "checks", "set aside", detail=why)
        return unjudged(why)
    body = content.body if isinstance(content.body, bytes) else await content.body.body()
    judged = JUDGED.set(Judged(judging, key, transaction.envelope.id.encode()))
    try:
        answers = await plan(
            dialogue.trace,
            session=dialogue.session,
            envelope=transaction.envelope,
            message=Message(content.head, body),
        )
    finally:
        JUDGED.reset(judged)
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


def tell_refused(dialogue: Dialogue, transaction: Transaction, reply: Reply) -> None:
    """Tell plugins that a message is refused."""
    plan = transaction.pin.notify(message_refused)
    if plan:
        plan(
            session=dialogue.session,
            envelope=transaction.envelope,
            code=reply.code,
            text=f"{reply.enhanced} {reply.text}",
        )
