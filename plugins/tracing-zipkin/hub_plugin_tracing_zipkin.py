"""Traces for Zipkin and whatever reads its JSON, version 2."""

import json
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from ssl import create_default_context
from typing import Annotated, Final

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from hub import Duration, NotSent, Plugin, Secret, Span, SpanEvent, SpanSender, StashKey, hookimpl

SENDER: Final = StashKey[SpanSender]()


class Settings(BaseModel):
    """[plugins.tracing-zipkin]: where spans go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field(
        default="http://127.0.0.1:9411/api/v2/spans",
        pattern=r"^https?://[^\s/@]+/\S*$",
        description="Where spans are posted to, the path included.",
    )
    headers: dict[str, Secret] = Field(
        default_factory=dict, description="Header fields of each request, such as an Authorization."
    )
    certificate: Path | None = Field(
        default=None, description="PEM file of the authorities that are trusted; else the system's."
    )
    timeout: Annotated[Duration, Field(gt=0, le=60)] = Field(
        default=10.0, description="How long one request may take."
    )
    service: str = Field(default="mail-hub", min_length=1, description="The service's name in Zipkin.")


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Open the way to the server."""
    settings = plugin.settings(Settings)
    tls = create_default_context(cafile=settings.certificate) if settings.certificate else True
    client = await plugin.enter(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=1),
            timeout=aiohttp.ClientTimeout(settings.timeout),
            headers={name: value.reveal() for name, value in settings.headers.items()}
            | {"Content-Type": "application/json"},
        )
    )

    async def send(spans: Sequence[Span]) -> None:
        body = json.dumps([_encoded(span, settings.service) for span in spans], separators=(",", ":"))
        try:
            async with client.post(settings.endpoint, data=body, allow_redirects=False) as answer:
                if answer.status // 100 != 2:
                    raise NotSent.answered(answer.status, answer.headers.get("Retry-After"))
        except TimeoutError as error:
            raise NotSent(f"no answer within {settings.timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise NotSent(str(error)) from error

    plugin.stash[SENDER] = await plugin.enter(SpanSender(plugin, "zipkin", send))


@hookimpl
async def session_traced(plugin: Plugin, spans: tuple[Span, ...]) -> None:
    """Queue them."""
    plugin.stash[SENDER].put(spans)


def _encoded(span: Span, service: str) -> dict[str, object]:
    """A span as https://zipkin.io/zipkin-api/ wants it. It knows no links, so they are a tag."""
    found: dict[str, object] = {
        "traceId": f"{span.trace_id:032x}",
        "id": f"{span.span_id:016x}",
        "name": span.name,
        "timestamp": span.start // 1000,
        "duration": max((span.end - span.start) // 1000, 1),
        "localEndpoint": {"serviceName": service},
        "tags": _tags(span),
    }
    if span.parent_id is not None:
        found["parentId"] = f"{span.parent_id:016x}"
    if span.kind == "server":
        found["kind"] = "SERVER"
    if peer := _peer(span):
        found["remoteEndpoint"] = peer
    if span.events:
        found["annotations"] = [
            {"timestamp": event.at // 1000, "value": _words(event)} for event in span.events
        ]
    return found


def _words(event: SpanEvent) -> str:
    return " ".join([event.name, *map(str, event.attributes.values())])


def _tags(span: Span) -> dict[str, str]:
    tags = {
        name: ", ".join(value) if isinstance(value, tuple) else str(value)
        for name, value in span.attributes.items()
    }
    if span.failed is not None:
        tags["error"] = span.failed
    if span.links:
        tags["links"] = ", ".join(f"{trace_id:032x}" for trace_id, _ in span.links)
    return tags


def _peer(span: Span) -> dict[str, object] | None:
    """The client, unless its address is redacted."""
    try:
        address = ip_address(str(span.attributes.get("client.address")))
    except ValueError:
        return None
    return {f"ipv{address.version}": str(address), "port": span.attributes.get("client.port", 0)}
