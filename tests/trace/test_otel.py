"""Spans through OpenTelemetry's API, seen by its SDK."""

from __future__ import annotations

import subprocess
import sys
from typing import cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, StatusCode

from hub import Span, SpanEvent, SpanIds, make_spans

TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736
ROOT = Span(
    TRACE, 0xF0, 0xA1, "message", "server", 1_000, 9_000, attributes={"n": 1, "to": ("a", "b")},
    links=((7, 8),), remote=True,
)  # fmt: skip
CHILD = Span(
    TRACE, 0xF1, 0xF0, "RCPT", "internal", 2_000, 3_000, "550 5.1.1", {"error.type": "550"},
    (SpanEvent(2_500, "login", {"hub.outcome": "refused"}),),
)  # fmt: skip


def test_spans_keep_ids_times_status_events_and_links() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=cast(IdGenerator, SpanIds()), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    make_spans([CHILD, ROOT], provider)
    child, root = exporter.get_finished_spans()
    assert root.context is not None
    assert (root.context.trace_id, root.context.span_id) == (TRACE, 0xF0)
    assert root.parent is not None
    assert (root.parent.span_id, root.parent.is_remote) == (0xA1, True)
    assert (root.start_time, root.end_time, root.kind) == (1_000, 9_000, SpanKind.SERVER)
    assert dict(root.attributes or {}) == {"n": 1, "to": ("a", "b")}
    [link] = root.links
    assert (link.context.trace_id, link.context.span_id) == (7, 8)
    assert child.parent is not None
    assert (child.parent.span_id, child.parent.is_remote) == (0xF0, False)
    assert (child.status.status_code, child.status.description) == (StatusCode.ERROR, "550 5.1.1")
    [event] = child.events
    assert (event.name, event.timestamp) == ("login", 2_500)
    assert root.status.status_code is StatusCode.UNSET


def test_a_provider_that_gives_other_ids_is_refused() -> None:
    with pytest.raises(ValueError, match="SpanIds"):
        make_spans([ROOT], TracerProvider(shutdown_on_exit=False))


def test_a_hub_that_exports_nothing_does_not_load_opentelemetry() -> None:
    code = "import sys, hub.app, hub.trace.otel, hub.trace.spans; print('opentelemetry' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
