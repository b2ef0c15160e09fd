"""The trace that a message says it is in, and the field that keeps its trace with it."""

from __future__ import annotations

from hub.hooks.observe import session_traced
from hub.mail.headers import Headers
from hub.mail.traceparent import FIELD, TraceParent, message_context, own_trace_id, parse_traceparent
from hub.smtp.dialogue import Dialogue
from hub.smtp.session import Transaction
from hub.trace.sampling import is_chosen, is_sampled


def trace_field(dialogue: Dialogue, transaction: Transaction, head: bytes) -> tuple[tuple[str, str], ...]:
    """`X-Hub-Trace`, if the message's spans will be exported or a sender who may has named its trace."""
    parent, envelope = _parent(dialogue, head), transaction.envelope
    sampled = parent is not None and parent.sampled
    if transaction.pin.notify(session_traced):
        sampling = dialogue.kernel.settings.trace.sampling
        sampled = is_sampled(
            sampling, own_trace_id(envelope.id), dialogue.session.listener, parent
        ) or is_chosen(sampling, envelope.reverse_path)
    if parent is None and not sampled:
        return ()
    return ((FIELD, str(message_context(envelope.id, parent, sampled=sampled))),)


def _parent(dialogue: Dialogue, head: bytes) -> TraceParent | None:
    """Of the hub that sends it, else of who has written it; None if who sends it may not say."""
    lowered = head.lower()
    if b"x-hub-trace" not in lowered and b"traceparent" not in lowered:  # as good as always
        return None
    session = dialogue.session
    if session.identity is None and session.peer[0] not in dialogue.kernel.settings.trace.parents:
        return None
    headers = Headers(head)
    parent = parse_traceparent(headers.raw(FIELD)) or parse_traceparent(headers.raw("traceparent"))
    if parent is not None:
        dialogue.trace.add("note", "traceparent", "read", detail=str(parent))
    return parent
