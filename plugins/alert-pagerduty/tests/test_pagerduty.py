"""Events against a server that accepts what the Events API v2 documents, and nothing else."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest
from hub_plugin_alert_pagerduty import plugin_start, send_alert

from hub import Alert, AlertStatus, Attempt, Plugin, Severity
from hub.testing.http_peer import Answer, HttpPeer, Request, http_peer
from hub.testing.plugin import PluginScope

KEY = "0123456789abcdef0123456789abcdef"
ALERT = Alert(
    key="breaker-opened/clamav",
    rule="breaker-opened",
    severity=Severity.ERROR,
    status=AlertStatus.FIRING,
    summary="the plugin clamav failed too often",
    source="mail.example.test",
    since=1_800_000_000.0,
    count=10_000,
    labels={"plugin": "clamav"},
    details={"said last": "no answer"},
)


def enqueue(received: Request) -> Answer:
    """What PagerDuty says to an event."""
    if len(received.body) > 512 << 10:
        return Answer(413, {}, "too large")
    errors = list(faults(received))
    if errors:
        said = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return Answer(400, {}, json.dumps(said))
    return Answer(202, {}, json.dumps({"status": "success", "dedup_key": received.json()["dedup_key"]}))


def faults(received: Request) -> list[str]:
    event, found = received.json(), []
    if received.path != "/v2/enqueue" or received.headers["content-type"] != "application/json":
        found.append("not an enqueue request")
    if len(event["routing_key"]) != 32:
        found.append("'routing_key' is invalid")
    if not 0 < len(event["dedup_key"]) <= 255:
        found.append("'dedup_key' is too long")
    if unknown := event.keys() - {"routing_key", "event_action", "dedup_key", "client", "payload"}:
        found.append(f"unknown {unknown}")
    if event["event_action"] == "trigger":
        payload = event["payload"]
        if not 0 < len(payload["summary"]) <= 1024:
            found.append("'summary' is too long")
        if payload["severity"] not in ("critical", "error", "warning", "info"):
            found.append("'severity' is invalid")
        if not payload["source"] or datetime.fromisoformat(payload["timestamp"]).tzinfo is None:
            found.append("'source' or 'timestamp' is invalid")
    elif event["event_action"] not in ("acknowledge", "resolve"):
        found.append("'event_action' is invalid")
    return found


@pytest.fixture
async def pagerduty() -> AsyncIterator[HttpPeer]:
    async with http_peer(usual=enqueue) as peer:
        yield peer


async def started(plugin_scope: PluginScope, peer: HttpPeer, key: str = KEY) -> Plugin:
    scope = plugin_scope("alert-pagerduty", {"routing_key": key, "url": f"{peer.url}/v2/enqueue"})
    await plugin_start(scope)
    return scope


@pytest.mark.proves("alerting: PagerDuty incidents are triggered, acknowledged and resolved by one key")
async def test_an_alert_is_triggered_acknowledged_and_resolved(
    plugin_scope: PluginScope, pagerduty: HttpPeer
) -> None:
    plugin = await started(plugin_scope, pagerduty)
    for status in AlertStatus:
        assert await send_alert(plugin, replace(ALERT, status=status)) == Attempt()
    events = [received.json() for received in pagerduty.received]
    assert [event["event_action"] for event in events] == ["trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {"mail.example.test/breaker-opened/clamav"}
    assert events[0]["payload"] == {
        "summary": "the plugin clamav failed too often",
        "source": "mail.example.test",
        "severity": "error",
        "timestamp": "2027-01-15T08:00:00+00:00",
        "component": "mail",
        "class": "breaker-opened",
        "custom_details": {"count": 10_000, "plugin": "clamav", "said last": "no answer"},
    }


async def test_the_largest_alert_fits_the_limits(plugin_scope: PluginScope, pagerduty: HttpPeer) -> None:
    plugin = await started(plugin_scope, pagerduty)
    large = replace(
        ALERT,
        key="k" * 200,
        source="s" * 250,
        summary="\U0001f525" * 5000,
        details={f"{n}" + "n" * 200: "\U0001f525" * 9000 for n in range(100)},
    )
    assert await send_alert(plugin, large) == Attempt()
    assert await send_alert(plugin, replace(large, status=AlertStatus.RESOLVED)) == Attempt()
    first, second = (received.json()["dedup_key"] for received in pagerduty.received)
    assert first == second


async def test_what_it_refuses_is_not_tried_again_and_no_key_is_said(
    plugin_scope: PluginScope, pagerduty: HttpPeer
) -> None:
    plugin = await started(plugin_scope, pagerduty, key="wrong-and-secret")
    attempt = await send_alert(plugin, ALERT)
    assert not attempt.again
    assert (attempt.trouble or "").startswith("HTTP 400: ")
    assert "'routing_key' is invalid" in (attempt.trouble or "")
    assert "wrong-and-secret" not in (attempt.trouble or "")


async def test_too_much_and_a_breakdown_are_for_later(plugin_scope: PluginScope, pagerduty: HttpPeer) -> None:
    plugin = await started(plugin_scope, pagerduty)
    pagerduty.answers += [
        Answer(429, {"Retry-After": "17"}, ""),
        Answer(429, {}, ""),
        Answer(503, {}, "down"),
    ]
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 429", again=True, after=17)
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 429", again=True)
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 503: down", again=True)
