"""Alerts as messages of a Slack incoming webhook, in blocks."""

import json
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from hub import Alert, AlertStatus, Attempt, Plugin, Poster, Secret, StashKey, hookimpl, open_poster

LONGEST_HEADER: Final = 150
LONGEST_SECTION: Final = 3000
LONGEST_FIELD: Final = 2000
MOST_FIELDS: Final = 10
"""What Slack takes in a header, in the text of a section, in one of its fields, and how many of them."""

MARKS: Final = {
    "info": ":information_source:",
    "warning": ":warning:",
    "error": ":red_circle:",
    "critical": ":rotating_light:",
}


class Settings(BaseModel):
    """[plugins.alert-slack]: the channel, by its webhook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Secret = Field(description="The URL of the incoming webhook; who has it can write to the channel.")


POSTER = StashKey[Poster]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pool of connections for all messages."""
    plugin.stash[POSTER] = await plugin.enter(open_poster())


@hookimpl
async def send_alert(plugin: Plugin, alert: Alert) -> Attempt:
    """Post a message."""
    url = plugin.settings(Settings).url.reveal()
    return await plugin.stash[POSTER].post(url, json.dumps(message(alert)).encode())


def message(alert: Alert) -> dict[str, object]:
    """The message; its `text` is what notifications show."""
    mark = MARKS[alert.severity] if alert.status is AlertStatus.FIRING else ":white_check_mark:"
    if alert.status is AlertStatus.ACKNOWLEDGED:
        mark = ":mute:"
    pairs = {"severity": str(alert.severity), "hub": alert.source, **alert.labels, **alert.details}
    fields = [
        {"type": "mrkdwn", "text": _cut(f"*{_escaped(name)}*\n{_escaped(text)}", LONGEST_FIELD)}
        for name, text in list(pairs.items())[:MOST_FIELDS]
    ]
    return {
        "text": _cut(f"{alert.status}: {_escaped(alert.summary)}", LONGEST_SECTION),
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": _cut(f"{alert.status}: {alert.rule}", LONGEST_HEADER)},
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": _cut(f"{mark} {_escaped(alert.summary)}", LONGEST_SECTION),
                },
            },
            {"type": "section", "fields": fields},
            {
                "type": "context",
                "elements": [
                    {
                        "type": "mrkdwn",
                        "text": f"since <!date^{int(alert.since)}^{{date_short_pretty}} {{time}}|"
                        f"{int(alert.since)}>, count {alert.count}",
                    }
                ],
            },
        ],
    }


def _escaped(text: str) -> str:
    """Nothing in it is a link, a mention or a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, longest: int) -> str:
    """At most so long, and no escape in two."""
    if len(text) <= longest:
        return text
    cut = text[: longest - 1]
    head, ampersand, tail = cut.rpartition("&")
    return (head if ampersand and ";" not in tail and len(tail) < 4 else cut) + "…"
