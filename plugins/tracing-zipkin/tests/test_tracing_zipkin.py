"""The plugin in a hub, before a server that holds what it gets against Zipkin's documented schema."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import hub_plugin_tracing_zipkin as plugin_module
import pytest
from pydantic import BaseModel, ConfigDict, Field

from hub import Span, SpanEvent
from hub.testing.certificate import self_signed
from hub.testing.clock import ManualClock, until
from hub.testing.http_peer import Answer, HttpPeer, http_peer
from hub.testing.running import running_hub
from hub.testing.scopes import make_scope

SPAN = Span(
    (1 << 127) + 5, 0xF1, 0xF0, "RCPT", "server", 2_000_000, 3_500_000, "550 5.1.1",
    {"client.address": "2001:db8::1", "client.port": 4711, "hub.recipients": ("a@x.test", "b@x.test")},
    (SpanEvent(2_500_000, "login", {"hub.outcome": "refused"}),), ((7, 8),),
)  # fmt: skip


class Endpoint(BaseModel):
    """Of the v2 model."""

    model_config = ConfigDict(extra="forbid")
    serviceName: str | None = None  # noqa: N815 - Zipkin's name
    ipv4: str | None = Field(default=None, pattern=r"^\d+(\.\d+){3}$")
    ipv6: str | None = None
    port: int | None = Field(default=None, strict=True)


class Annotation(BaseModel):
    """Of the v2 model."""

    model_config = ConfigDict(extra="forbid")
    timestamp: int = Field(strict=True)
    value: str


class ZipkinSpan(BaseModel):
    """https://zipkin.io/zipkin-api/zipkin2-api.yaml, `Span`; strict and with nothing besides."""

    model_config = ConfigDict(extra="forbid")
    traceId: str = Field(pattern=r"^[a-f0-9]{16,32}$")  # noqa: N815
    id: str = Field(pattern=r"^[a-f0-9]{16}$")
    parentId: str | None = Field(default=None, pattern=r"^[a-f0-9]{16}$")  # noqa: N815
    name: str
    kind: str | None = Field(default=None, pattern="^(CLIENT|SERVER|PRODUCER|CONSUMER)$")
    timestamp: int = Field(strict=True, gt=0)
    duration: int = Field(strict=True, ge=1)
    localEndpoint: Endpoint  # noqa: N815
    remoteEndpoint: Endpoint | None = None  # noqa: N815
    annotations: list[Annotation] = []
    tags: dict[str, str] = {}


@asynccontextmanager
async def exporting(
    folder: Path, peer: HttpPeer, settings: Mapping[str, object] | None = None
) -> AsyncIterator[tuple[ManualClock, Mapping[str, str | None]]]:
    """The plugin by itself, with one span to send."""
    clock = ManualClock()
    table = {"endpoint": f"{peer.url}/api/v2/spans", **(settings or {})}
    scope = make_scope("tracing-zipkin", folder, clock, table)
    await plugin_module.plugin_start(scope)
    scope.open_timers()
    await plugin_module.session_traced(scope, (SPAN,))
    yield clock, scope.dependencies
    await scope.close()


@pytest.mark.proves("observing: see what happened to a message in Zipkin")
async def test_a_message_is_seen_in_zipkin(tmp_path: Path) -> None:
    async with http_peer(Answer(202)) as peer:
        table = {"endpoint": f"{peer.url}/api/v2/spans", "service": "mx"}
        async with running_hub(
            tmp_path, plugins=["tracing-zipkin"], tables={"plugins": {"tracing-zipkin": table}}
        ) as hub:
            await hub.send()
        request = await asyncio.wait_for(peer.requests.get(), 10)
    assert (request.method, request.path) == ("POST", "/api/v2/spans")
    assert request.headers["content-type"] == "application/json"
    spans = [ZipkinSpan.model_validate(each) for each in json.loads(request.body)]
    [message] = [span for span in spans if span.name == "message"]
    assert message.kind == "SERVER"
    assert message.localEndpoint.serviceName == "mx"
    assert message.remoteEndpoint is not None
    assert message.remoteEndpoint.ipv4 == "127.0.0.1"
    assert message.tags["hub.recipients"] == "alice@example.test"
    assert {span.name for span in spans if span.parentId == message.id} == {"MAIL", "RCPT", "DATA"}


async def test_every_part_of_a_span_has_its_place(tmp_path: Path) -> None:
    async with http_peer() as peer, exporting(tmp_path, peer, {"headers": {"X-Key": "k"}}) as (clock, _):
        await clock.turn(1)
        request = await asyncio.wait_for(peer.requests.get(), 10)
    assert request.headers["x-key"] == "k"
    [sent] = json.loads(request.body)
    ZipkinSpan.model_validate(sent)
    assert sent == {
        "traceId": "80000000000000000000000000000005",
        "id": "00000000000000f1",
        "parentId": "00000000000000f0",
        "name": "RCPT",
        "kind": "SERVER",
        "timestamp": 2000,
        "duration": 1500,
        "localEndpoint": {"serviceName": "mail-hub"},
        "remoteEndpoint": {"ipv6": "2001:db8::1", "port": 4711},
        "annotations": [{"timestamp": 2500, "value": "login refused"}],
        "tags": {
            "client.address": "2001:db8::1",
            "client.port": "4711",
            "hub.recipients": "a@x.test, b@x.test",
            "error": "550 5.1.1",
            "links": "00000000000000000000000000000007",
        },
    }


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_for_a_pause_gets_it_and_then_the_spans(tmp_path: Path, status: int) -> None:
    answers = Answer(status, {"Retry-After": "30"}), Answer(202)
    async with http_peer(*answers) as peer, exporting(tmp_path, peer) as (clock, dependencies):
        await clock.turn(1)
        first = await asyncio.wait_for(peer.requests.get(), 10)
        await until(lambda: dependencies == {"zipkin": f"it answered {status}"})
        await clock.turn(29)
        assert peer.requests.empty()
        await clock.turn(2)
        assert (await asyncio.wait_for(peer.requests.get(), 10)).body == first.body
        await until(lambda: dependencies == {"zipkin": None})


async def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    nobody = HttpPeer(())
    nobody.url = "http://127.0.0.1:9"
    async with exporting(tmp_path, nobody) as (clock, dependencies):
        await clock.turn(1)
        await until(lambda: "Cannot connect" in str(dependencies.get("zipkin")))


async def test_a_server_that_hangs_is_left(tmp_path: Path) -> None:
    short = {"timeout": 0.05}
    async with (
        http_peer(Answer(hangs=True)) as peer,
        exporting(tmp_path, peer, short) as (clock, dependencies),
    ):
        await clock.turn(1)
        await until(lambda: dependencies == {"zipkin": "no answer within 0.05 s"})


async def test_a_server_whose_certificate_is_not_trusted_gets_nothing(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    async with http_peer(tls=tls) as peer:
        async with exporting(tmp_path, peer) as (clock, dependencies):
            await clock.turn(1)
            await until(lambda: "certificate" in str(dependencies.get("zipkin")))
            assert peer.requests.empty()
        async with exporting(tmp_path, peer, {"certificate": str(certificate[0])}) as (clock, _):
            await clock.turn(1)
            assert json.loads((await asyncio.wait_for(peer.requests.get(), 10)).body)
