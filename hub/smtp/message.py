"""From the last octet of a message to its reply: checked, given its trace fields, and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hub.delivery.accept import Content, accept
from hub.delivery.binarymime import as_lines
from hub.delivery.headers import MAX_RECEIVED, own_message_id, received, received_count, without_own
from hub.delivery.success import success_reports
from hub.dispatch.failure import HookFailed
from hub.dispatch.verdicts import CLEAN
from hub.hooks.delivery import message_refused
from hub.mail.headers import Headers
from hub.mail.reencode import NotMime
from hub.services.blobs import StoreFull
from hub.smtp import checking, replies
from hub.smtp.checking import check
from hub.smtp.dialogue import Dialogue
from hub.smtp.replies import Reply
from hub.smtp.session import Transaction
from hub.smtp.submission import may_use_from, missing_fields
from hub.smtp.tracing import trace_field
from hub.smtp.transaction import without_room

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
    traced = trace_field(dialogue, transaction, content.head)
    kernel, session, envelope = dialogue.kernel, dialogue.session, transaction.envelope
    hostname, now = kernel.settings.hub.hostname, kernel.services.clock.time()
    top = received(session, envelope, hostname, now, extended=session.extended)
    if session.identity is not None:
        headers = Headers(content.head)
        if not await may_use_from(kernel.services.directory, session.identity, headers):
            return replies.NOT_YOUR_FROM
        top += missing_fields(headers, session.identity, envelope, hostname, now)
    content = Content(top + without_own(content.head), content.body)
    decision = await check(dialogue, transaction, content, len(top))
    if decision.removes:
        content = Content(Headers(content.head).without(decision.removes), content.body)
    recipients = tuple(transaction.recipients.values())
    refused = checking.refused(recipients, decision, kernel.settings.checks)
    if len(refused) == len(recipients):
        transaction.refused = refused
        return next(iter(refused.values()))
    if transaction.order:  # LMTP: each recipient is answered for itself
        transaction.refused = {**refused, **await without_room(dialogue, transaction, content.size)}
        recipients = tuple(each for each in recipients if each.address not in transaction.refused)
        if not recipients:
            return replies.MAILBOX_FULL
        envelope = replace(envelope, recipients=tuple(each.address for each in recipients))
    if decision is not CLEAN:
        recipients = tuple(checking.placed(each, decision, kernel.settings.checks) for each in recipients)
    lines = content
    try:
        if envelope.body == "BINARYMIME":
            lines = await as_lines(kernel.services.blobs, content)
        written = (*traced, *decision.headers)
        sender = session.identity.account if session.identity else None
        reports = await success_reports(kernel, envelope, recipients, lines, written, sender)
        result = await accept(
            kernel,
            transaction.pin,
            session,
            dialogue.trace,
            envelope,
            recipients,
            lines,
            written,
            reports,
        )
    except StoreFull:
        return replies.STORE_FULL
    except NotMime as error:
        return replies.not_mime(str(error))
    finally:
        if lines is not content and not isinstance(lines.body, bytes):
            await lines.body.discard()
    return replies.delivered(envelope.id) if result.placed else replies.queued(envelope.id)


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
