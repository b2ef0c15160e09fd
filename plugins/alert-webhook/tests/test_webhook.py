"""Notices against a server that checks their signature."""

import base64
import hmac
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hub_plugin_alert_webhook import plugin_start, send_alert, signed

from hub import Alert, AlertStatus, Attempt, Plugin, Secret, Severity
from hub.testing.clock import ManualClock
from hub.testing.http_peer import Answer, HttpPeer, Request, http_peer
from hub.testing.plugin import PluginScope

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
ALERT = Alert(
    key="login-failures",
    rule="login-failures",
    severity=Severity.WARNING,
    status=AlertStatus.FIRING,
    summary="100 logins failed within 5 min — “all” at once",
    source="mail.example.test",
    since=1_800_000_000.0,
    count=100,
)


def check(received: Request) -> Answer:
    """As a receiver does."""
    headers = received.headers
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.digest(KEY, content, "sha256")).decode()
    return (
        Answer(204, {}, "")
        if headers.get("webhook-signature") == f"v1,{expected}"
        else Answer(401, {}, "who are you?")
    )


@pytest.fixture
async def receiver() -> AsyncIterator[HttpPeer]:
    async with http_peer(usual=check) as peer:
        yield peer


async def started(plugin_scope: PluginScope, peer: HttpPeer, **settings: object) -> Plugin:
    scope = plugin_scope("alert-webhook", {"url": f"{peer.url}/alerts", **settings})
    await plugin_start(scope)
    return scope


@pytest.mark.proves("alerting: a URL of your own gets every alert as signed JSON")
async def test_a_notice_is_signed_json(
    plugin_scope: PluginScope, receiver: HttpPeer, manual_clock: ManualClock
) -> None:
    plugin = await started(plugin_scope, receiver, secret=SECRET)
    assert await send_alert(plugin, ALERT) == Attempt()
    assert await send_alert(plugin, ALERT) == Attempt()
    assert await send_alert(plugin, replace(ALERT, status=AlertStatus.RESOLVED)) == Attempt()
    first, again, over = receiver.received
    assert first.headers["webhook-id"] == again.headers["webhook-id"] != over.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] == str(int(manual_clock.time()))
    assert first.json() == {
        "type": "alert.firing",
        "key": "login-failures",
        "rule": "login-failures",
        "severity": "warning",
        "status": "firing",
        "summary": "100 logins failed within 5 min — “all” at once",
        "source": "mail.example.test",
        "since": 1_800_000_000.0,
        "count": 100,
        "labels": {},
        "details": {},
    }
    assert over.json()["type"] == "alert.resolved"


async def test_without_a_secret_nothing_is_signed(plugin_scope: PluginScope, receiver: HttpPeer) -> None:
    plugin = await started(plugin_scope, receiver)
    assert await send_alert(plugin, ALERT) == Attempt("HTTP 401: who are you?")


def test_the_signature_is_that_of_the_published_example() -> None:
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    fields = signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert fields["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["whsec_short", "whsec_" + base64.b64encode(b"short").decode()])
async def test_a_secret_that_is_none_is_refused_and_not_shown(plugin_scope: PluginScope, secret: str) -> None:
    from hub_plugin_alert_webhook import Settings

    scope = plugin_scope("alert-webhook", {"url": "http://127.0.0.1:1/", "secret": secret})
    with pytest.raises(Exception, match=r"whsec_|should have 24 to 64") as raised:
        scope.settings(Settings)
    assert secret not in str(raised.value)


async def test_a_retry_after_may_be_a_date_and_a_redirect_is_not_followed(
    plugin_scope: PluginScope, receiver: HttpPeer
) -> None:
    plugin = await started(plugin_scope, receiver, secret=SECRET)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    receiver.answers += [
        Answer(503, {"Retry-After": later}, ""),
        Answer(503, {"Retry-After": "soon"}, ""),
        Answer(503, {"Retry-After": "1e99"}, ""),
        Answer(302, {"Location": "/elsewhere"}),
        Answer(200, {}, "x" * 1_000_000),
    ]
    dated, soon, long, moved, large = [await send_alert(plugin, ALERT) for _ in range(5)]
    assert 90 < dated.after <= 100
    assert (soon.again, soon.after) == (True, 0.0)
    assert long.after == 3600
    assert (moved.trouble, moved.again) == ("HTTP 302", False)
    assert large == Attempt()
    assert len(receiver.received) == 5
