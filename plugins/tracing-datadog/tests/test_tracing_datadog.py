"""The plugin in a hub, before an agent; Datadog's own library says how a span is to be encoded."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import hub_plugin_tracing_datadog as plugin_module
import msgpack
import pytest
from pydantic import BaseModel, ConfigDict, Field

from hub import Span, SpanEvent
from hub.testing.clock import ManualClock, until
from hub.testing.http_peer import Answer, HttpPeer, http_peer
from hub.testing.running import running_hub
from hub.testing.scopes import make_scope

SPAN = Span(
    (3 << 64) + 5, 0xF1, 0xF0, "RCPT", "server", 2_000, 3_500, "550 5.1.1",
    {"hub.size": 7, "hub.recipients": ("a@x.test", "b@x.test")},
    (SpanEvent(2_500, "login", {"hub.outcome": "refused"}),), (((1 << 64) + 7, 8),),
)  # fmt: skip
ORACLE = """
import json, sys
from ddtrace.internal.encoding import MSGPACK_ENCODERS
from ddtrace.trace import Span
said = json.load(sys.stdin)
span = Span(name=said["name"], service=said["service"], resource=said["resource"], span_type=said["type"],
            trace_id=(int(said["meta"]["_dd.p.tid"], 16) << 64) + said["trace_id"], span_id=said["span_id"],
            parent_id=said["parent_id"])
span.start_ns, span.duration_ns, span.error = said["start"], said["duration"], said["error"]
for name, value in said["meta"].items():
    span.set_tag(name, value)
for name, value in said["metrics"].items():
    span.set_metric(name, value)
for link in said["span_links"]:
    span.set_link((link["trace_id_high"] << 64) + link["trace_id"], link["span_id"])
encoder = MSGPACK_ENCODERS["v0.4"](1 << 20, 1 << 20)
encoder.put([span])
sys.stdout.write(encoder.encode()[0][0].hex())
"""


class AgentSpan(BaseModel):
    """A span of the trace agent's API 0.4; strict and with nothing besides."""

    model_config = ConfigDict(extra="forbid", strict=True)
    trace_id: int = Field(gt=0, lt=1 << 64)
    span_id: int = Field(gt=0, lt=1 << 64)
    parent_id: int = Field(ge=0, lt=1 << 64)
    service: str = Field(max_length=100)
    name: str = Field(max_length=100)
    resource: str = Field(max_length=5000)
    type: str = Field(max_length=100)
    start: int = Field(gt=0)
    duration: int = Field(gt=0)
    error: int = Field(ge=0, le=1)
    meta: dict[str, str]
    metrics: dict[str, int | float]
    span_links: list[dict[str, int]] = []


@asynccontextmanager
async def exporting(
    folder: Path, agent: str, settings: Mapping[str, object] | None = None
) -> AsyncIterator[tuple[ManualClock, Mapping[str, str | None]]]:
    """The plugin by itself, with one span to send."""
    clock = ManualClock()
    scope = make_scope("tracing-datadog", folder, clock, {"agent": agent, **(settings or {})})
    await plugin_module.plugin_start(scope)
    scope.open_timers()
    await plugin_module.session_traced(scope, (SPAN,))
    yield clock, scope.dependencies
    await scope.close()


async def sent(peer: HttpPeer) -> list[list[dict[str, object]]]:
    request = await asyncio.wait_for(peer.requests.get(), 10)
    assert (request.method, request.path) == ("PUT", "/v0.4/traces")
    assert request.headers["content-type"] == "application/msgpack"
    traces: list[list[dict[str, object]]] = msgpack.unpackb(request.body)
    assert request.headers["x-datadog-trace-count"] == str(len(traces))
    return traces


@pytest.mark.proves("observing: see what happened to a message in Datadog")
async def test_a_message_reaches_the_agent(tmp_path: Path) -> None:
    async with http_peer(Answer(200, {}, b'{"rate_by_service":{}}')) as peer:
        table = {"agent": peer.url, "service": "mx", "env": "test"}
        async with running_hub(
            tmp_path, plugins=["tracing-datadog"], tables={"plugins": {"tracing-datadog": table}}
        ) as hub:
            await hub.send()
        traces = [[AgentSpan.model_validate(span) for span in trace] for trace in await sent(peer)]
    assert sorted({span.resource for span in trace} & {"message", "smtp session"} for trace in traces) == [
        {"message"},
        {"smtp session"},
    ]
    for trace in traces:
        assert len({span.trace_id for span in trace}) == 1
        assert ["_dd.p.tid" in span.meta for span in trace] == [True] + [False] * (len(trace) - 1)
        assert {(span.service, span.meta["env"]) for span in trace} == {("mx", "test")}
        [root] = [span for span in trace if span.parent_id == 0]
        assert root.name == "server.request"
        assert root.span_id in {span.parent_id for span in trace}


async def test_a_span_is_encoded_as_datadogs_library_does(tmp_path: Path) -> None:
    async with http_peer() as peer, exporting(tmp_path, peer.url) as (clock, _):
        await clock.turn(1)
        [[span]] = await sent(peer)
    AgentSpan.model_validate(span)
    assert (span["trace_id"], span["span_id"], span["parent_id"]) == (5, 0xF1, 0xF0)
    assert (span["start"], span["duration"], span["error"]) == (2_000, 1_500, 1)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ORACLE],
        input=json.dumps(span),
        capture_output=True,
        text=True,
        check=True,
        env={"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0", "DD_REMOTE_CONFIGURATION_ENABLED": "0"},
    )
    [[expected]] = msgpack.unpackb(bytes.fromhex(run.stdout))
    assert span == expected
    assert span["meta"] == {
        "span.kind": "server",
        "hub.recipients": "a@x.test, b@x.test",
        "error.message": "550 5.1.1",
        "events": '[{"name": "login", "time_unix_nano": 2500, "attributes": {"hub.outcome": "refused"}}]',
        "_dd.p.tid": "0000000000000003",
    }


async def test_the_agent_may_listen_on_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "apm.socket")
    async with (
        http_peer(socket=path) as peer,
        exporting(tmp_path, "http://127.0.0.1:9", {"socket": path}) as (clock, dependencies),
    ):
        await clock.turn(1)
        assert len(await sent(peer)) == 1
        await until(lambda: dependencies == {"datadog-agent": None})


@pytest.mark.parametrize("status", [429, 503])
async def test_an_agent_that_has_too_much_gets_a_pause(tmp_path: Path, status: int) -> None:
    async with (
        http_peer(Answer(status, {"Retry-After": "5"})) as peer,
        exporting(tmp_path, peer.url) as (clock, dependencies),
    ):
        await clock.turn(1)
        first = await sent(peer)
        await until(lambda: dependencies == {"datadog-agent": f"it answered {status}"})
        await clock.turn(6)
        assert await sent(peer) == first
        await until(lambda: dependencies == {"datadog-agent": None})


async def test_an_agent_that_is_away_is_named(tmp_path: Path) -> None:
    async with exporting(tmp_path, "http://127.0.0.1:9") as (clock, dependencies):
        await clock.turn(1)
        await until(lambda: "Cannot connect" in str(dependencies.get("datadog-agent")))


async def test_an_agent_that_hangs_is_left(tmp_path: Path) -> None:
    async with (
        http_peer(Answer(hangs=True)) as peer,
        exporting(tmp_path, peer.url, {"timeout": 0.05}) as (clock, dependencies),
    ):
        await clock.turn(1)
        await until(lambda: dependencies == {"datadog-agent": "no answer within 0.05 s"})
