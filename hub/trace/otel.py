"""Spans for OpenTelemetry, by its API alone: whatever provider is given makes and exports them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hub.hooks.span import Span
from hub.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, TracerProvider


class SpanIds:
    """An id generator for a provider of OpenTelemetry's SDK, by which `make_spans` keeps the ids of spans.

    `TracerProvider(id_generator=ids)`; not for several threads at once.
    """

    def __init__(self) -> None:
        self.trace_id = self.span_id = 1

    def generate_trace_id(self) -> int:
        """That of the span that is being made."""
        return self.trace_id

    def generate_span_id(self) -> int:
        """That of the span that is being made."""
        return self.span_id

    def is_trace_id_random(self) -> bool:
        """They follow from ids of messages and sessions, evenly."""
        return True


def make_spans(spans: Iterable[Span], provider: TracerProvider) -> None:
    """Start and end each span with a tracer of the provider, which was made with `id_generator=SpanIds()`.

    ValueError if it was not, for then nothing would be anybody's child.
    """
    from opentelemetry.trace import (
        Link,
        NonRecordingSpan,
        SpanKind,
        Status,
        StatusCode,
        set_span_in_context,
    )

    ids = getattr(provider, "id_generator", None)
    if not isinstance(ids, SpanIds):
        raise ValueError(
            "spans keep their ids: make the provider with TracerProvider(id_generator=SpanIds())"
        )
    tracer = provider.get_tracer("hub", __version__)
    kinds = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL}
    for each in spans:
        ids.trace_id, ids.span_id = each.trace_id, each.span_id
        parent = None
        if each.parent_id is not None:
            parent = set_span_in_context(
                NonRecordingSpan(_context(each.trace_id, each.parent_id, remote=each.remote))
            )
        span = tracer.start_span(
            each.name,
            parent,
            kinds[each.kind],
            dict(each.attributes),
            [Link(_context(*link, remote=False)) for link in each.links],
            each.start,
        )
        for event in each.events:
            span.add_event(event.name, dict(event.attributes), event.at)
        if each.failed is not None:
            span.set_status(Status(StatusCode.ERROR, each.failed))
        span.end(each.end)


def _context(trace_id: int, span_id: int, *, remote: bool) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(trace_id, span_id, remote, TraceFlags(TraceFlags.SAMPLED))
