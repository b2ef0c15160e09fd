"""The plugin in a hub, before collectors that decode what the protocol's own definition decodes."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import hub_plugin_tracing_otlp as plugin_module
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic import ValidationError

from hub import Span, SpanEvent
from hub.testing.certificate import self_signed
from hub.testing.clock import ManualClock, until
from hub.testing.http_peer import Answer, http_peer
from hub.testing.running import running_hub
from hub.testing.scopes import make_scope

SPAN = Span(
    (1 << 127) + 5, 0xF1, 0xF0, "RCPT", "server", 2_000, 3_500, "550 5.1.1",
    {"hub.size": 7, "hub.recipients": ("a@x.test", "b@x.test")},
    (SpanEvent(2_500, "login", {"hub.outcome": "refused"}),), ((7, 8),),
)  # fmt: skip
DEAD = "http://127.0.0.1:9"


@asynccontextmanager
async def exporting(
    folder: Path, settings: Mapping[str, object], spans: Sequence[Span] = (SPAN,)
) -> AsyncIterator[tuple[ManualClock, Mapping[str, str | None]]]:
    """The plugin by itself, with spans to send."""
    clock = ManualClock()
    scope = make_scope("tracing-otlp", folder, clock, settings)
    await plugin_module.plugin_start(scope)
    scope.open_timers()
    await plugin_module.session_traced(scope, tuple(spans))
    yield clock, scope.dependencies
    await scope.close()


class Collector(TraceServiceServicer):
    """A collector by gRPC. refusals: said first, in order."""

    def __init__(self, *refusals: tuple[grpc.StatusCode, float | None]) -> None:
        self.refusals = list(refusals)
        self.requests: asyncio.Queue[tuple[ExportTraceServiceRequest, dict[str, str]]] = asyncio.Queue()
        self.url = ""
        self.hangs = False

    async def Export(  # noqa: N802 - the protocol's name
        self, request: ExportTraceServiceRequest, context: Any
    ) -> ExportTraceServiceResponse:
        """Take a request."""
        await self.requests.put((request, dict(context.invocation_metadata())))
        if self.hangs:
            await asyncio.Event().wait()
        if self.refusals:
            code, delay = self.refusals.pop(0)
            trailing: tuple[tuple[str, bytes], ...] = ()
            if delay is not None:
                wish = RetryInfo(retry_delay=Duration(seconds=int(delay)))
                trailing = (("google.rpc.retryinfo-bin", wish.SerializeToString()),)
            await context.abort(code, "not now", trailing)
        return ExportTraceServiceResponse()


@asynccontextmanager
async def collecting(
    *refusals: tuple[grpc.StatusCode, float | None], files: tuple[Path, Path] | None = None
) -> AsyncIterator[Collector]:
    """A collector on a free port; files: certificate and key."""
    collector, server = Collector(*refusals), grpc.aio.server()
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    if files is None:
        collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    else:
        credentials = grpc.ssl_server_credentials([(files[1].read_bytes(), files[0].read_bytes())])
        collector.url = f"https://127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)


def spans_in(request: ExportTraceServiceRequest) -> list[OtlpSpan]:
    return [
        span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]


@pytest.mark.proves(
    "observing: see what happened to a message in Jaeger or behind any OpenTelemetry collector"
)
@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_message_reaches_the_collector(tmp_path: Path, protocol: str) -> None:
    async with http_peer() as peer, collecting() as collector:
        table = {"protocol": protocol, "endpoint": peer.url if protocol == "http" else collector.url}
        async with running_hub(
            tmp_path, plugins=["tracing-otlp"], tables={"plugins": {"tracing-otlp": table}}
        ) as hub:
            await hub.send()
        if protocol == "http":
            got = await asyncio.wait_for(peer.requests.get(), 10)
            assert (got.method, got.path) == ("POST", "/v1/traces")
            assert got.headers["content-type"] == "application/x-protobuf"
            request = ExportTraceServiceRequest.FromString(got.body)
        else:
            request, _ = await asyncio.wait_for(collector.requests.get(), 10)
    resource = {each.key: each.value.string_value for each in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "mail-hub"
    spans = spans_in(request)
    [message] = [span for span in spans if span.name == "message"]
    assert message.kind == OtlpSpan.SPAN_KIND_SERVER
    assert message.status.code == Status.STATUS_CODE_UNSET
    children = [span.name for span in spans if span.parent_span_id == message.span_id]
    assert children == ["MAIL", "RCPT", "DATA", "DATA"]


async def test_every_part_of_a_span_has_its_place(tmp_path: Path) -> None:
    async with http_peer() as peer:
        settings = {"endpoint": f"{peer.url}/own/path", "headers": {"X-Key": "k"}, "compression": "gzip"}
        async with exporting(tmp_path, settings) as (clock, _):
            await clock.turn(1)
            got = await asyncio.wait_for(peer.requests.get(), 10)
    assert got.path == "/own/path"
    assert (got.headers["x-key"], got.headers["content-encoding"]) == ("k", "gzip")
    body = gzip.decompress(got.body) if got.body[:2] == b"\x1f\x8b" else got.body
    [span] = spans_in(ExportTraceServiceRequest.FromString(body))
    assert span.trace_id.hex() == "80000000000000000000000000000005"
    assert (span.span_id.hex(), span.parent_span_id.hex()) == ("00000000000000f1", "00000000000000f0")
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (2_000, 3_500)
    assert (span.status.code, span.status.message) == (Status.STATUS_CODE_ERROR, "550 5.1.1")
    attributes = {each.key: each.value for each in span.attributes}
    assert attributes["hub.size"].int_value == 7
    assert [each.string_value for each in attributes["hub.recipients"].array_value.values] == [
        "a@x.test",
        "b@x.test",
    ]
    assert [(event.name, event.time_unix_nano) for event in span.events] == [("login", 2_500)]
    assert [link.trace_id.hex() for link in span.links] == ["00000000000000000000000000000007"]


async def test_many_spans_go_in_batches(tmp_path: Path) -> None:
    async with http_peer() as peer, exporting(tmp_path, {"endpoint": peer.url}, [SPAN] * 300) as (clock, _):
        await clock.turn(1)
        sizes = []
        for _ in range(2):
            got = await asyncio.wait_for(peer.requests.get(), 10)
            sizes.append(len(spans_in(ExportTraceServiceRequest.FromString(got.body))))
    assert sizes == [256, 44]


@pytest.mark.parametrize("status", [429, 503])
async def test_by_http_a_pause_that_is_asked_for_is_kept(tmp_path: Path, status: int) -> None:
    async with (
        http_peer(Answer(status, {"Retry-After": "30"})) as peer,
        exporting(tmp_path, {"endpoint": peer.url}) as (clock, dependencies),
    ):
        await clock.turn(1)
        first = await asyncio.wait_for(peer.requests.get(), 10)
        await until(lambda: dependencies == {"collector": f"it answered {status}"})
        await clock.turn(29)
        assert peer.requests.empty()
        await clock.turn(2)
        assert (await asyncio.wait_for(peer.requests.get(), 10)).body == first.body
        await until(lambda: dependencies == {"collector": None})


async def test_by_grpc_a_pause_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    async with (
        collecting((grpc.StatusCode.RESOURCE_EXHAUSTED, 30)) as collector,
        exporting(tmp_path, {"protocol": "grpc", "endpoint": collector.url}) as (clock, dependencies),
    ):
        await clock.turn(1)
        await until(lambda: dependencies == {"collector": "RESOURCE_EXHAUSTED: not now"})
        await clock.turn(29)
        assert collector.requests.qsize() == 1
        await clock.turn(2)
        await until(lambda: dependencies == {"collector": None})
    assert collector.requests.qsize() == 2


async def test_what_the_collector_does_not_want_is_lost_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    partial = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=1, error_message="too old")
    )
    answers = Answer(400), Answer(200, {}, partial.SerializeToString()), Answer(200, {}, b"\xff\xff")
    async with http_peer(*answers) as peer:
        for _ in range(3):
            async with exporting(tmp_path, {"endpoint": peer.url}) as (clock, dependencies):
                await clock.turn(1)
                await until(lambda: "collector" in dependencies)
        assert peer.requests.qsize() == 3
    said = capsys.readouterr().out
    assert said.count("spans were lost") == 1
    assert "the collector refused spans" in said
    assert "too old" in said


@pytest.mark.parametrize(("protocol", "said"), [("http", "Cannot connect"), ("grpc", "UNAVAILABLE")])
async def test_a_collector_that_is_away_is_named(tmp_path: Path, protocol: str, said: str) -> None:
    async with exporting(tmp_path, {"protocol": protocol, "endpoint": DEAD}) as (clock, dependencies):
        await clock.turn(1)
        await until(lambda: said in str(dependencies.get("collector")))


async def test_a_collector_that_hangs_is_left(tmp_path: Path) -> None:
    async with http_peer(Answer(hangs=True)) as peer, collecting() as collector:
        collector.hangs = True
        short = {"endpoint": peer.url, "timeout": 0.05}
        async with exporting(tmp_path, short) as (clock, dependencies):
            await clock.turn(1)
            await until(lambda: dependencies == {"collector": "no answer within 0.05 s"})
        short = {"protocol": "grpc", "endpoint": collector.url, "timeout": 0.2}
        async with exporting(tmp_path, short) as (clock, dependencies):
            await clock.turn(1)
            await until(lambda: "DEADLINE_EXCEEDED" in str(dependencies.get("collector")))


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_over_tls_only_who_is_trusted_gets_spans_and_headers(tmp_path: Path, protocol: str) -> None:
    files = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*files)
    async with http_peer(tls=tls) as peer, collecting(files=files) as collector:
        table: dict[str, object] = {
            "protocol": protocol,
            "endpoint": peer.url if protocol == "http" else collector.url,
            "headers": {"X-Key": "secret"},
        }
        async with exporting(tmp_path, table) as (clock, dependencies):
            await clock.turn(1)
            await until(lambda: bool(dependencies.get("collector")))
        assert (peer.requests.qsize(), collector.requests.qsize()) == (0, 0)
        trusting = table | {
            "certificate": str(files[0]),
            "client_certificate": str(files[0]),
            "client_key": str(files[1]),
        }
        async with exporting(tmp_path, trusting) as (clock, dependencies):
            await clock.turn(1)
            await until(lambda: dependencies == {"collector": None})
        if protocol == "http":
            headers = dict((await peer.requests.get()).headers)
        else:
            _, headers = await collector.requests.get()
    assert headers["x-key"] == "secret"


def test_half_a_client_certificate_is_an_error() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        plugin_module.Settings(client_key=Path("key.pem"))


@pytest.mark.parametrize(
    ("protocol", "endpoint", "url"),
    [
        ("http", "", "http://127.0.0.1:4318/v1/traces"),
        ("grpc", "", "http://127.0.0.1:4317"),
        ("http", "https://o.example.org:4318/", "https://o.example.org:4318/v1/traces"),
        ("http", "https://o.example.org/otlp/v1/traces", "https://o.example.org/otlp/v1/traces"),
        ("grpc", "https://o.example.org:4317", "https://o.example.org:4317"),
    ],
)
def test_the_endpoint_is_made_whole(protocol: str, endpoint: str, url: str) -> None:
    assert plugin_module.Settings.model_validate({"protocol": protocol, "endpoint": endpoint}).url == url
