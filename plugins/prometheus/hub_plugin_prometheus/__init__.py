"""Metrics of the whole hub for Prometheus, at /metrics.

    session_recorded ──► Counts (memory of this worker) ──► Slot (a file that survives the worker)
                                                                │
    GET /metrics ──► asks this plugin in every worker ──────────┴──► sums ──► text

Counting is a few additions to dictionaries for each record of a session; everything else happens at a scrape.
"""

import hmac
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from hub import (
    BounceClass,
    Network,
    Networks,
    Plugin,
    Request,
    Response,
    Route,
    Secret,
    StashKey,
    TraceRecord,
    hookimpl,
)
from hub_plugin_prometheus import metrics
from hub_plugin_prometheus.counts import Counts
from hub_plugin_prometheus.exposition import CONTENT_TYPE, Scrape
from hub_plugin_prometheus.recording import count
from hub_plugin_prometheus.slots import Slot

__all__ = ["Settings"]


class Settings(BaseModel):
    """[plugins.prometheus]: who may read the metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1"), description="Networks that may read the metrics; others get 403."
    )
    token: Secret | None = Field(
        default=None,
        description="What who reads them has to show besides, as `Authorization: Bearer …`; others get 401.",
    )


SCRAPE = StashKey[Scrape]()
COUNTS = StashKey[Counts]()
NETWORKS = StashKey[Networks]()


@hookimpl
def provide_routes() -> list[Route]:
    """The one path."""
    return [Route("/metrics", scrape, timeout=15)]


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Go on with what a worker that has ended had counted."""
    slot = await plugin.enter(Slot(plugin.data_dir))
    plugin.stash[COUNTS] = slot.counts
    plugin.stash[SCRAPE] = Scrape(plugin, slot)
    plugin.stash[NETWORKS] = Networks(plugin.settings(Settings).networks)


async def scrape(plugin: Plugin, request: Request) -> Response:
    """All metrics, for who may have them."""
    client = request.client.host if request.client else ""
    if client not in plugin.stash[NETWORKS]:
        return Response("metrics are not for this network\n", 403, media_type="text/plain")
    token = plugin.settings(Settings).token
    if token is not None:
        shown = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(shown, f"Bearer {token.reveal()}".encode()):
            challenge = {"WWW-Authenticate": "Bearer"}
            return Response("show the token\n", 401, headers=challenge, media_type="text/plain")
    return Response(await plugin.stash[SCRAPE].text(), media_type=CONTENT_TYPE)


# -- what is counted ----------------------------------------------------------------------------------------


@hookimpl
async def session_recorded(
    plugin: Plugin, protocol: str, records: tuple[TraceRecord, ...], dropped: int
) -> None:
    """Nearly everything: commands, messages, checks, logins, the time that each plugin takes."""
    count(plugin.stash[COUNTS], protocol, records, dropped)


@hookimpl
async def message_sent(plugin: Plugin, seconds: float) -> None:
    """Mail that waits is a gauge; how long it did is known now."""
    plugin.stash[COUNTS].add(metrics.RELAYED, "sent", "")
    plugin.stash[COUNTS].observe(metrics.RELAY_SECONDS, seconds, "sent")


@hookimpl
async def message_deferred(plugin: Plugin, bounce: BounceClass) -> None:
    """By why."""
    plugin.stash[COUNTS].add(metrics.RELAYED, "deferred", bounce)


@hookimpl
async def message_bounced(plugin: Plugin, bounce: BounceClass, seconds: float) -> None:
    """By why, and how long it was tried."""
    plugin.stash[COUNTS].add(metrics.RELAYED, "bounced", bounce)
    plugin.stash[COUNTS].observe(metrics.RELAY_SECONDS, seconds, "bounced")


@hookimpl
async def breaker_opened(plugin: Plugin, name: str) -> None:
    """How often; whether it is open now is asked for at a scrape."""
    plugin.stash[COUNTS].add(metrics.BREAKER_OPENED, name)


@hookimpl
async def plugins_reloaded(plugin: Plugin, changed: Mapping[str, str]) -> None:
    """Another set of plugins serves."""
    plugin.stash[COUNTS].add(metrics.RELOADS, "served")


@hookimpl
async def reload_refused(plugin: Plugin) -> None:
    """It does not."""
    plugin.stash[COUNTS].add(metrics.RELOADS, "refused")
