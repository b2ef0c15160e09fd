"""Traces for Jaeger and any OpenTelemetry collector, by OTLP over HTTP or gRPC."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from ssl import SSLContext, create_default_context
from typing import Annotated, Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit

import aiohttp
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, SpanFlags, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub import (
    Duration,
    NotSent,
    Plugin,
    Secret,
    Span,
    SpanSender,
    StashKey,
    __version__,
    hookimpl,
)

Deliver: TypeAlias = Callable[[ExportTraceServiceRequest], Awaitable[ExportTraceServiceResponse]]

SENDER: Final = StashKey[SpanSender]()
AT_ONCE: Final = 32
"""Spans that are encoded before mail goes on."""
MAX_ANSWER: Final = 65536
_SAMPLED: Final = 1  # https://www.w3.org/TR/trace-context/#sampled-flag
_KINDS: Final = {"server": OtlpSpan.SPAN_KIND_SERVER, "internal": OtlpSpan.SPAN_KIND_INTERNAL}
_AGAIN: Final = frozenset(
    (
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAVAILABLE",
        "DATA_LOSS",
    )
)
"""What OTLP wants to be tried again."""


class Settings(BaseModel):
    """[plugins.tracing-otlp]: where spans go, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["http", "grpc"] = Field(
        default="http", description="What the collector is spoken to by."
    )
    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^\s/@]+(/\S*)?)?$",
        description=(
            "The collector, such as https://otlp.example.org:4318; for http with a path if it is not "
            "/v1/traces. Without it: 127.0.0.1, port 4318 for http and 4317 for grpc."
        ),
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict, description="Header fields of each request, such as an API key."
    )
    certificate: Path | None = Field(
        default=None, description="PEM file of the authorities that are trusted; else the system's."
    )
    client_certificate: Path | None = Field(
        default=None, description="PEM file that the hub shows of itself."
    )
    client_key: Path | None = Field(default=None, description="PEM file of its private key.")
    timeout: Annotated[Duration, Field(gt=0, le=60)] = Field(
        default=10.0, description="How long one request may take."
    )
    compression: Literal["none", "gzip"] = Field(default="none", description="How requests are compressed.")
    service: str = Field(default="mail-hub", min_length=1, description="service.name of the resource.")

    @model_validator(mode="after")
    def _both_or_none(self) -> "Settings":
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("has one of client_certificate and client_key; both belong together")
        return self

    @property
    def url(self) -> str:
        """The endpoint with what it leaves out."""
        port = 4318 if self.protocol == "http" else 4317
        found = self.endpoint.rstrip("/") or f"http://127.0.0.1:{port}"
        return found if urlsplit(found).path or self.protocol == "grpc" else f"{found}/v1/traces"


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Open the way to the collector."""
    settings = plugin.settings(Settings)
    deliver = await (_over_http if settings.protocol == "http" else _over_grpc)(plugin, settings)
    resource = Resource(
        attributes=_attributes({"service.name": settings.service, "service.version": __version__})
    )
    scope = InstrumentationScope(name="hub", version=__version__)

    async def send(spans: Sequence[Span]) -> None:
        encoded = []
        for start in range(0, len(spans), AT_ONCE):
            encoded += [_encoded(span) for span in spans[start : start + AT_ONCE]]
            await asyncio.sleep(0)
        request = ExportTraceServiceRequest(
            resource_spans=[
                ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=scope, spans=encoded)])
            ]
        )
        answer = await deliver(request)
        refused = answer.partial_success
        if refused.rejected_spans:
            reason = refused.error_message[:500]
            plugin.log.warning("the collector refused spans", count=refused.rejected_spans, reason=reason)

    plugin.stash[SENDER] = await plugin.enter(SpanSender(plugin, "collector", send))


@hookimpl
async def session_traced(plugin: Plugin, spans: tuple[Span, ...]) -> None:
    """Queue them."""
    plugin.stash[SENDER].put(spans)


def _encoded(span: Span) -> OtlpSpan:
    """As OTLP has it; not by OpenTelemetry's SDK, which takes eight times as long over spans of its own."""
    flags = _SAMPLED | SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
    return OtlpSpan(
        trace_id=span.trace_id.to_bytes(16, "big"),
        span_id=span.span_id.to_bytes(8, "big"),
        parent_span_id=b"" if span.parent_id is None else span.parent_id.to_bytes(8, "big"),
        flags=flags | (SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK if span.remote else 0),
        name=span.name,
        kind=_KINDS[span.kind],
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        attributes=_attributes(span.attributes),
        events=[
            OtlpSpan.Event(time_unix_nano=each.at, name=each.name, attributes=_attributes(each.attributes))
            for each in span.events
        ],
        links=[
            OtlpSpan.Link(trace_id=trace.to_bytes(16, "big"), span_id=linked.to_bytes(8, "big"), flags=flags)
            for trace, linked in span.links
        ],
        status=None if span.failed is None else Status(code=Status.STATUS_CODE_ERROR, message=span.failed),
    )


def _attributes(said: Mapping[str, str | int | tuple[str, ...]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in said.items()]


def _value(value: str | int | tuple[str, ...]) -> AnyValue:
    match value:
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case _:
            return AnyValue(array_value=ArrayValue(values=map(_value, value)))


async def _over_http(plugin: Plugin, settings: Settings) -> Deliver:
    zipped = settings.compression == "gzip"
    client = await plugin.enter(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_tls(settings), limit=1),
            timeout=aiohttp.ClientTimeout(settings.timeout),
            headers={name: value.reveal() for name, value in settings.headers.items()}
            | {"Content-Type": "application/x-protobuf"}
            | ({"Content-Encoding": "gzip"} if zipped else {}),
        )
    )

    async def deliver(request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        body = request.SerializeToString()
        body = gzip.compress(body, 1) if zipped else body
        try:
            async with client.post(settings.url, data=body, allow_redirects=False) as answer:
                if answer.status // 100 != 2:
                    raise NotSent.answered(answer.status, answer.headers.get("Retry-After"))
                said = await answer.content.read(MAX_ANSWER)
            return cast(ExportTraceServiceResponse, ExportTraceServiceResponse.FromString(said))
        except DecodeError:  # it has taken them, whatever it says about that
            return ExportTraceServiceResponse()
        except TimeoutError as error:
            raise NotSent(f"no answer within {settings.timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise NotSent(str(error)) from error

    return deliver


def _tls(settings: Settings) -> SSLContext | bool:
    if settings.certificate is None and settings.client_certificate is None:
        return True
    context = create_default_context(cafile=settings.certificate)
    if settings.client_certificate is not None:
        context.load_cert_chain(settings.client_certificate, settings.client_key)
    return context


async def _over_grpc(plugin: Plugin, settings: Settings) -> Deliver:
    import grpc  # 20 MB that those who speak HTTP need not load
    from google.rpc.error_details_pb2 import RetryInfo
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

    zipped = grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression
    target = urlsplit(settings.url)
    if target.scheme == "https":
        files = (settings.certificate, settings.client_key, settings.client_certificate)
        shown = (path and path.read_bytes() for path in files)
        made = grpc.aio.secure_channel(
            target.netloc, grpc.ssl_channel_credentials(*shown), compression=zipped
        )
    else:
        made = grpc.aio.insecure_channel(target.netloc, compression=zipped)
    stub = TraceServiceStub(await plugin.enter(made))  # type: ignore[no-untyped-call]
    metadata = [(name.lower(), value.reveal()) for name, value in settings.headers.items()]

    async def deliver(request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        try:
            answer = await stub.Export(request, timeout=settings.timeout, metadata=metadata)
            return cast(ExportTraceServiceResponse, answer)
        except grpc.aio.AioRpcError as error:
            wish = dict(error.trailing_metadata() or ()).get("google.rpc.retryinfo-bin")
            delay = RetryInfo.FromString(wish).retry_delay if wish else None
            raise NotSent(
                f"{error.code().name}: {error.details()}",
                again=error.code().name in _AGAIN,
                after=None if delay is None else delay.seconds + delay.nanos / 1e9,
            ) from error

    return deliver
