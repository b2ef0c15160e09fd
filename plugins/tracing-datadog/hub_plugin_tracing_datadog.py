"""Traces for Datadog, through its agent."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import aiohttp
import msgpack
from pydantic import BaseModel, ConfigDict, Field

from hub import Duration, NotSent, Plugin, Span, SpanSender, StashKey, __version__, hookimpl

SENDER: Final = StashKey[SpanSender]()
KINDS: Final = {"server": "server.request", "internal": "internal"}
"""A span's operation; what Datadog calls the resource is its name."""
_LOW: Final = (1 << 64) - 1


class Settings(BaseModel):
    """[plugins.tracing-datadog]: where the agent listens, and what it is told about the service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str = Field(
        default="http://127.0.0.1:8126",
        pattern=r"^https?://[^\s/@]+$",
        description="Where the agent listens.",
    )
    socket: Path | None = Field(
        default=None, description="The agent's Unix socket, such as /var/run/datadog/apm.socket, instead."
    )
    timeout: Annotated[Duration, Field(gt=0, le=60)] = Field(
        default=5.0, description="How long one request may take."
    )
    service: str = Field(default="mail-hub", min_length=1, description="The service's name in Datadog.")
    env: str = Field(default="", description="The environment, such as production.")


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Open the way to the agent."""
    settings = plugin.settings(Settings)
    path = settings.socket
    client = await plugin.enter(
        aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(path), limit=1) if path else aiohttp.TCPConnector(limit=1),
            timeout=aiohttp.ClientTimeout(settings.timeout),
            headers={"Content-Type": "application/msgpack", "Datadog-Meta-Tracer-Version": __version__},
        )
    )

    async def send(spans: Sequence[Span]) -> None:
        traces = _traces(spans, settings)
        counted = {"X-Datadog-Trace-Count": str(len(traces))}
        try:
            async with client.put(
                f"{settings.agent}/v0.4/traces",
                data=msgpack.packb(traces),
                headers=counted,
                allow_redirects=False,
            ) as answer:
                if answer.status // 100 != 2:
                    raise NotSent.answered(answer.status, answer.headers.get("Retry-After"))
        except TimeoutError as error:
            raise NotSent(f"no answer within {settings.timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise NotSent(str(error)) from error

    plugin.stash[SENDER] = await plugin.enter(SpanSender(plugin, "datadog-agent", send))


@hookimpl
async def session_traced(plugin: Plugin, spans: tuple[Span, ...]) -> None:
    """Queue them."""
    plugin.stash[SENDER].put(spans)


def _traces(spans: Sequence[Span], settings: Settings) -> list[list[dict[str, object]]]:
    """A list for each trace, as the agent's API 0.4 takes them."""
    traces: dict[int, list[dict[str, object]]] = {}
    for span in spans:
        of_trace = traces.setdefault(span.trace_id, [])
        of_trace.append(_encoded(span, settings, is_first=not of_trace))
    return list(traces.values())


def _encoded(span: Span, settings: Settings, *, is_first: bool) -> dict[str, object]:
    """is_first: it carries what counts for its whole trace: the high half of the id, and that it is kept."""
    meta: dict[str, str] = {"span.kind": span.kind}
    metrics: dict[str, int] = {}
    for name, value in span.attributes.items():
        if isinstance(value, int):
            metrics[name] = value
        else:
            meta[name] = ", ".join(value) if isinstance(value, tuple) else value
    if settings.env:
        meta["env"] = settings.env
    if span.failed is not None:
        meta["error.message"] = span.failed
    if span.events:
        meta["events"] = json.dumps(
            [
                {"name": event.name, "time_unix_nano": event.at, "attributes": dict(event.attributes)}
                for event in span.events
            ]
        )
    if is_first:
        meta["_dd.p.tid"] = f"{span.trace_id >> 64:016x}"
        metrics["_sampling_priority_v1"] = 1
    found: dict[str, object] = {
        "trace_id": span.trace_id & _LOW,
        "span_id": span.span_id,
        "parent_id": span.parent_id or 0,
        "service": settings.service,
        "name": KINDS[span.kind],
        "resource": span.name,
        "type": "custom",
        "start": span.start,
        "duration": max(span.end - span.start, 1),
        "error": int(span.failed is not None),
        "meta": meta,
        "metrics": metrics,
    }
    if span.links:
        found["span_links"] = [
            {"trace_id": trace_id & _LOW, "trace_id_high": trace_id >> 64, "span_id": span_id}
            for trace_id, span_id in span.links
        ]
    return found
