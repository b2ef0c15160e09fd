"""Messages against a server that accepts what Discord documents for webhooks, and nothing else."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest
from hub_plugin_alert_discord import plugin_start, send_alert

from hub import Alert, AlertStatus, Attempt, Plugin, Severity
from hub.testing.http_peer import Answer, HttpPeer, Request, http_peer
from hub.testing.plugin import PluginScope

PATH = "/api/webhooks/1/notToBeSeenByAnybody"
ALERT = Alert(
    key="disk-low",
    rule="disk-low",
    severity=Severity.CRITICAL,
    status=AlertStatus.FIRING,
    summary="2.0 % of the disk with the mail is free",
    source="mail.example.test",
    since=1_800_000_000.0,
    details={"value": "2.0 %", "said last": ""},
)


def execute(received: Request) -> Answer:
    """What Discord says to a message."""
    if received.path != PATH:
        return Answer(404, {}, json.dumps({"message": "Unknown Webhook", "code": 10015}))
    message = received.json()
    (embed,) = message["embeds"]
    parts = [(embed["title"], 256), (embed["description"], 4096), (embed["footer"]["text"], 2048)]
    for each in embed["fields"]:
        parts += [(each["name"], 256), (each["value"], 1024)]
    fits = all(0 < len(text) <= longest for text, longest in parts) and len(embed["fields"]) <= 25
    if not fits or sum(len(text) for text, _ in parts) > 6000 or not 0 <= embed["color"] <= 0xFFFFFF:
        return Answer(400, {}, json.dumps({"message": "Invalid Form Body", "code": 50035}))
    assert datetime.fromisoformat(embed["timestamp"]).tzinfo is not None
    assert message["allowed_mentions"] == {"parse": []}
    return Answer(
        204, {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "4", "X-RateLimit-Reset-After": "2"}, ""
    )


@pytest.fixture
async def discord() -> AsyncIterator[HttpPeer]:
    async with http_peer(usual=execute) as peer:
        yield peer


async def started(plugin_scope: PluginScope, peer: HttpPeer, path: str = PATH) -> Plugin:
    scope = plugin_scope("alert-discord", {"url": peer.url + path})
    await plugin_start(scope)
    return scope


@pytest.mark.proves("alerting: Discord channels get alerts, within its limits of rate and size")
async def test_an_alert_is_an_embed(plugin_scope: PluginScope, discord: HttpPeer) -> None:
    plugin = await started(plugin_scope, discord)
    for status in AlertStatus:
        assert await send_alert(plugin, replace(ALERT, status=status)) == Attempt()
    embeds = [received.json()["embeds"][0] for received in discord.received]
    assert [embed["title"] for embed in embeds] == [f"{status}: disk-low" for status in AlertStatus]
    assert len({embed["color"] for embed in embeds}) == 3


async def test_the_largest_alert_fits_the_limits(plugin_scope: PluginScope, discord: HttpPeer) -> None:
    plugin = await started(plugin_scope, discord)
    text = "@everyone " * 1000
    large = replace(
        ALERT, rule="r" * 400, summary=text, source="s" * 1000, details={f"{n}": text for n in range(50)}
    )
    assert await send_alert(plugin, large) == Attempt()


async def test_rate_limits_are_kept_before_and_after_they_are_broken(
    plugin_scope: PluginScope, discord: HttpPeer
) -> None:
    plugin = await started(plugin_scope, discord)
    discord.answers += [
        Answer(204, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}, ""),
        Answer(
            429,
            body=json.dumps({"message": "You are being rate limited.", "retry_after": 0.75, "global": False}),
        ),
        Answer(429, {"Retry-After": "9", "X-RateLimit-Reset-After": "8.4"}, json.dumps({"retry_after": 8.4})),
        Answer(502, {}, "<html>bad gateway</html>"),
    ]
    attempts = [await send_alert(plugin, ALERT) for _ in range(4)]
    assert [(each.trouble is None, each.again, each.after) for each in attempts] == [
        (True, False, 1.5),
        (False, True, 0.75),
        (False, True, 9.0),
        (False, True, 0.0),
    ]


async def test_a_webhook_that_is_gone_is_given_up(plugin_scope: PluginScope, discord: HttpPeer) -> None:
    plugin = await started(plugin_scope, discord, "/api/webhooks/2/x")
    attempt = await send_alert(plugin, ALERT)
    assert (attempt.again, "Unknown Webhook" in (attempt.trouble or "")) == (False, True)
