"""Whose spans are made."""

from __future__ import annotations

from hub.config.tables.observing import SamplingTable
from hub.mail.address import Address
from hub.mail.traceparent import TraceParent

_WHOLE = 1 << 64


def is_sampled(table: SamplingTable, trace_id: int, listener: str, parent: TraceParent | None = None) -> bool:
    """What the parent has decided, else the share of the listener, by the low 64 bits of the trace id.

    That is how OpenTelemetry's samplers by ratio decide too.
    """
    if parent is not None:
        return parent.sampled
    ratio = table.listeners.get(listener, table.ratio)
    return trace_id & (_WHOLE - 1) < ratio * _WHOLE


def is_chosen(table: SamplingTable, sender: Address | None) -> bool:
    """Whether the operator always wants to see this sender's messages."""
    if sender is None or not table.senders:
        return False
    return str(sender).lower() in table.senders or sender.domain.lower() in table.senders
