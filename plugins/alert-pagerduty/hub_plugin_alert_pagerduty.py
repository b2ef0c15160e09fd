"""Alerts as PagerDuty events (Events API v2): trigger, acknowledge, resolve, by one deduplication key."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from hub import Alert, AlertStatus, Attempt, Plugin, Poster, Secret, StashKey, hookimpl, open_poster

ACTIONS: Final = {
    AlertStatus.FIRING: "trigger",
    AlertStatus.ACKNOWLEDGED: "acknowledge",
    AlertStatus.RESOLVED: "resolve",
}
LONGEST_KEY: Final = 255
LONGEST_SUMMARY: Final = 1024
LONGEST_DETAIL: Final = 1000
MOST_DETAILS: Final = 30
"""So that an event stays far below the 512 KB that the API takes."""


class Settings(BaseModel):
    """[plugins.alert-pagerduty]: which service is paged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    routing_key: Secret = Field(description="The integration key of a service, of the type Events API v2.")
    url: str = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        pattern="^https?://",
        description="Where events go; https://events.eu.pagerduty.com/v2/enqueue for accounts in Europe.",
    )


POSTER = StashKey[Poster]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pool of connections for all events."""
    plugin.stash[POSTER] = await plugin.enter(open_poster())


@hookimpl
async def send_alert(plugin: Plugin, alert: Alert) -> Attempt:
    """Enqueue an event."""
    settings = plugin.settings(Settings)
    body = json.dumps(event(alert, settings.routing_key)).encode()
    return await plugin.stash[POSTER].post(settings.url, body)


def event(alert: Alert, routing_key: Secret) -> dict[str, object]:
    """The event; what merely changes the state of an incident carries only its key."""
    action = ACTIONS[alert.status]
    said: dict[str, object] = {
        "routing_key": routing_key.reveal(),
        "event_action": action,
        "dedup_key": dedup_key(alert),
    }
    if action == "trigger":
        said["client"] = "mail hub"
        said["payload"] = {
            "summary": alert.summary[:LONGEST_SUMMARY],
            "source": alert.source,
            "severity": str(alert.severity),
            "timestamp": datetime.fromtimestamp(alert.since, UTC).isoformat(),
            "component": "mail",
            "class": alert.rule,
            "custom_details": _details(alert),
        }
    return said


def dedup_key(alert: Alert) -> str:
    """The same for an alert's whole life, and for no alert of another hub."""
    key = f"{alert.source}/{alert.key}"
    if len(key) <= LONGEST_KEY:
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _details(alert: Alert) -> dict[str, object]:
    pairs = [*alert.labels.items(), *alert.details.items()][:MOST_DETAILS]
    return {"count": alert.count, **{name[:100]: text[:LONGEST_DETAIL] for name, text in pairs}}
