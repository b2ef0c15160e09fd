"""Alerts as messages of a Discord webhook, each an embed."""

import json
from datetime import UTC, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from hub import Alert, AlertStatus, Attempt, Plugin, Poster, Secret, StashKey, hookimpl, open_poster

LONGEST_TITLE: Final = 256
LONGEST_DESCRIPTION: Final = 2000
LONGEST_NAME: Final = 256
LONGEST_VALUE: Final = 1024
LONGEST_FOOTER: Final = 500
MOST_FIELDS: Final = 25
LONGEST_EMBED: Final = 6000
"""What Discord takes in an embed and in its texts together; description and footer might be longer."""

COLOURS: Final = {"info": 0x3498DB, "warning": 0xF1C40F, "error": 0xE67E22, "critical": 0xE74C3C}
OVER: Final = 0x2ECC71
KNOWN: Final = 0x95A5A6


class Settings(BaseModel):
    """[plugins.alert-discord]: the channel, by its webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Secret = Field(description="The URL of the webhook; who has it can write to the channel.")


POSTER = StashKey[Poster]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pool of connections for all messages."""
    plugin.stash[POSTER] = await plugin.enter(open_poster())


@hookimpl
async def send_alert(plugin: Plugin, alert: Alert) -> Attempt:
    """Execute the webhook."""
    url = plugin.settings(Settings).url.reveal()
    return await plugin.stash[POSTER].post(url, json.dumps(message(alert)).encode())


def message(alert: Alert) -> dict[str, object]:
    """The message; nobody is mentioned, whatever the texts say."""
    colour = {AlertStatus.RESOLVED: OVER, AlertStatus.ACKNOWLEDGED: KNOWN}.get(
        alert.status, COLOURS[alert.severity]
    )
    title = f"{alert.status}: {alert.rule}"[:LONGEST_TITLE]
    description = alert.summary[:LONGEST_DESCRIPTION]
    footer = f"{alert.source} · {alert.severity} · {alert.count}"[:LONGEST_FOOTER]
    room = LONGEST_EMBED - len(title) - len(description) - len(footer)
    embed = {
        "title": title,
        "description": description,
        "color": colour,
        "timestamp": datetime.fromtimestamp(alert.since, UTC).isoformat(),
        "fields": _fields(alert, room),
        "footer": {"text": footer},
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _fields(alert: Alert, room: int) -> list[dict[str, object]]:
    """Labels and details, as many as there is room for; neither part of a field may be empty."""
    fields: list[dict[str, object]] = []
    for name, text in [*alert.labels.items(), *alert.details.items()][:MOST_FIELDS]:
        shown, value = name[:LONGEST_NAME] or "-", text[:LONGEST_VALUE] or "-"
        room -= len(shown) + len(value)
        if room < 0:
            break
        fields.append({"name": shown, "value": value, "inline": len(value) < 40})
    return fields
