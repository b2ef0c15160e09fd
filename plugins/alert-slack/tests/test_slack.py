"""Messages against a server that accepts what Slack documents for incoming webhooks, and nothing else."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hub_plugin_alert_slack import plugin_start, send_alert

from hub import Alert, AlertStatus, Attempt, Plugin, Severity
from hub.testing.http_peer import Answer, HttpPeer, Request, http_peer
from hub.testing.plugin import PluginScope

PATH = "/services/T00000000/B00000000/notToBeSeenByAnybody"
ALERT = Alert(
    key="queue-age",
    rule="queue-age",
    severity=Severity.WARNING,
    status=AlertStatus.FIRING,
    summary="the oldest mail in the queue waits for 5 h",
    source="mail.example.test",
    since=1_800_000_000.0,
    labels={"plugin": "a"},
    details={"value": "5 h"},
)


def webhook(received: Request) -> Answer:
    """What Slack says to a message."""
    if received.path != PATH:
        return Answer(404, {}, "no_service")
    message = received.json()
    if not message.get("text") and not message.get("blocks"):
        return Answer(400, {}, "no_text")
    if len(message["blocks"]) > 50 or list(faults(message)):
        return Answer(400, {}, "invalid_blocks")
    return Answer(200, {}, "ok")


def faults(message: dict[str, Any]) -> Iterator[str]:
    for block in message["blocks"]:
        match block:
            case {"type": "header", "text": {"type": "plain_text", "text": text}}:
                yield from [text] if not 0 < len(text) <= 150 else []
            case {"type": "section", "text": {"type": "mrkdwn", "text": text}}:
                yield from [text] if not 0 < len(text) <= 3000 else []
            case {"type": "section", "fields": fields}:
                texts = [each["text"] for each in fields if each["type"] == "mrkdwn"]
                fits = len(texts) == len(fields) and 0 < len(fields) <= 10
                yield from [] if fits and max(map(len, texts)) <= 2000 else texts
            case {"type": "context", "elements": elements}:
                yield from [] if 0 < len(elements) <= 10 else ["elements"]
            case _:
                yield str(block)


@pytest.fixture
async def slack() -> AsyncIterator[HttpPeer]:
    async with http_peer(usual=webhook) as peer:
        yield peer


async def started(plugin_scope: PluginScope, peer: HttpPeer, path: str = PATH) -> Plugin:
    scope = plugin_scope("alert-slack", {"url": peer.url + path})
    await plugin_start(scope)
    return scope


@pytest.mark.proves("alerting: Slack channels get alerts, and a word when they are over")
async def test_an_alert_is_a_message_in_blocks(plugin_scope: PluginScope, slack: HttpPeer) -> None:
    plugin = await started(plugin_scope, slack)
    for status in AlertStatus:
        assert await send_alert(plugin, replace(ALERT, status=status)) == Attempt()
    texts = [received.json()["text"] for received in slack.received]
    assert texts == [f"{status}: the oldest mail in the queue waits for 5 h" for status in AlertStatus]


async def test_the_largest_alert_fits_and_nothing_in_it_is_a_link_or_a_mention(
    plugin_scope: PluginScope, slack: HttpPeer
) -> None:
    plugin = await started(plugin_scope, slack)
    evil = "<!channel> <https://evil.example|here> & "
    for padding in range(8):
        text = "x" * padding + evil * 500
        large = replace(ALERT, rule="r" * 300, summary=text, details={f"{n}": text for n in range(30)})
        assert await send_alert(plugin, large) == Attempt()
        said = slack.received[-1].body.decode()
        assert "<!channel>" not in said
        assert "<https" not in said
        summary = slack.received[-1].json()["blocks"][1]["text"]["text"]
        assert not re.search(r"&(?!amp;|lt;|gt;)", summary)


async def test_a_webhook_that_is_gone_is_said_without_its_address(
    plugin_scope: PluginScope, slack: HttpPeer
) -> None:
    plugin = await started(plugin_scope, slack, "/services/gone")
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 404: no_service")
    nobody = plugin_scope("alert-slack", {"url": "http://127.0.0.1:1/secret"})
    await plugin_start(nobody)
    attempt = await send_alert(nobody, ALERT)
    assert attempt == Attempt("no connection: ClientConnectorError", again=True)
    assert "secret" not in repr(nobody.settings.__self__._filled)  # type: ignore[attr-defined]


async def test_too_much_and_a_breakdown_are_for_later(plugin_scope: PluginScope, slack: HttpPeer) -> None:
    plugin = await started(plugin_scope, slack)
    slack.answers += [Answer(429, {"Retry-After": "30"}, "rate_limited"), Answer(500, {}, "rollup_error")]
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 429: rate_limited", again=True, after=30)
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 500: rollup_error", again=True)
