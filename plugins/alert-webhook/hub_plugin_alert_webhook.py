"""Alerts as JSON to a URL of your own, signed by the scheme of Standard Webhooks."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hub import Alert, Attempt, Plugin, Poster, Secret, StashKey, hookimpl, open_poster

PREFIX: Final = "whsec_"


class Settings(BaseModel):
    """[plugins.alert-webhook]: where alerts go, and how the receiver knows that they are the hub's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Secret = Field(description="Gets a POST for each notice.")
    secret: Secret | None = Field(
        default=None, description="`whsec_` and Base64 of 24 to 64 octets; with it notices are signed."
    )

    @field_validator("secret")
    @classmethod
    def _is_key(cls, secret: Secret | None) -> Secret | None:
        if secret is not None:
            key_of(secret)
        return secret


POSTER = StashKey[Poster]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pool of connections for all notices."""
    plugin.stash[POSTER] = await plugin.enter(open_poster())


@hookimpl
async def send_alert(plugin: Plugin, alert: Alert) -> Attempt:
    """POST the alert as it stands."""
    settings = plugin.settings(Settings)
    body = json.dumps(document(alert), separators=(",", ":")).encode()
    headers = signed(settings.secret, identifier(alert), int(plugin.clock.time()), body)
    return await plugin.stash[POSTER].post(settings.url.reveal(), body, headers)


def document(alert: Alert) -> dict[str, object]:
    """All that is known of an alert."""
    return {
        "type": f"alert.{alert.status}",
        "key": alert.key,
        "rule": alert.rule,
        "severity": str(alert.severity),
        "status": str(alert.status),
        "summary": alert.summary,
        "source": alert.source,
        "since": alert.since,
        "count": alert.count,
        "labels": dict(alert.labels),
        "details": dict(alert.details),
    }


def identifier(alert: Alert) -> str:
    """The same for the same notice whenever it is sent."""
    what = "\0".join((alert.source, alert.key, str(alert.status), repr(alert.since)))
    return f"alert_{hashlib.blake2b(what.encode(), digest_size=16).hexdigest()}"


def signed(secret: Secret | None, identifier: str, time: int, body: bytes) -> dict[str, str]:
    """The header fields that say which notice it is, when it is sent, and who says so."""
    headers = {"webhook-id": identifier, "webhook-timestamp": str(time)}
    if secret is not None:
        content = b"%b.%d.%b" % (identifier.encode(), time, body)
        digest = hmac.digest(key_of(secret), content, "sha256")
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return headers


def key_of(secret: Secret) -> bytes:
    """The octets of `whsec_…`. ValueError, without the secret."""
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not `whsec_` and Base64, as `openssl rand -base64 32` writes it") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"has {len(key)} octets, and should have 24 to 64")
    return key
