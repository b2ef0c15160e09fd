"""`[plugins.webhooks]`: who is told what."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hub import Duration, Secret
from hub_plugin_webhooks.signature import signing_key

Kind = Literal[
    "delivered",
    "appended",
    "flagged",
    "expunged",
    "created",
    "renamed",
    "deleted",
    "subscribed",
    "unsubscribed",
    "queued",
    "sent",
    "deferred",
    "bounced",
]

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


def _usable(secret: Secret) -> Secret:
    signing_key(secret)
    return secret


def is_private(host: str) -> bool:
    """Whether a host, as it is written, is an address that is not of the internet, or `localhost`."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost"


class Endpoint(BaseModel):
    """[plugins.webhooks.endpoints.NAME]: one web server, and what it is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(max_length=2000, description="Where events are POSTed to; https, or http near by.")
    secret: Annotated[Secret, AfterValidator(_usable)] = Field(
        description="What events are signed with: `whsec_` and 24 to 64 octets in Base64."
    )
    old_secret: Annotated[Secret, AfterValidator(_usable)] | None = Field(
        default=None, description="Signs as well, while the receiver changes to another secret."
    )
    events: tuple[Kind, ...] = Field(
        default=("delivered", "queued"), min_length=1, description="The kinds of events that it is told."
    )
    accounts: tuple[str, ...] = Field(
        default=(),
        description="Only events about these: user@domain, or @domain for all of one. Empty for everybody.",
    )
    headers: bool = Field(default=False, description="Whether events carry the message's header fields.")
    timeout: Annotated[Duration, Field(gt=0, le=60)] = Field(
        default=10.0, description="How long one attempt may take."
    )
    tries: int = Field(default=15, ge=1, le=100, description="After so many an event is a dead letter.")
    connections: int = Field(default=4, ge=1, le=100, description="Events that are sent at once.")
    private: bool = Field(
        default=False,
        description="Whether a name may lead to addresses that are not of the internet (10.0.0.0/8, ::1, …).",
    )
    tls_verify: bool = Field(default=True, description="Whether the server must show a good certificate.")
    tls_ca: Path | None = Field(
        default=None, description="Whom to trust instead of the system's authorities."
    )

    @model_validator(mode="after")
    def _reachable(self) -> "Endpoint":
        url = urlsplit(self.url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("url is no http or https address")
        if url.username is not None or url.password is not None:
            raise ValueError("url holds a login; receivers know the hub by its signature")
        if url.scheme == "http" and not (self.private or is_private(url.hostname)):
            raise ValueError(
                "url is plain http on the internet, where others read the mail's subjects: use https"
            )
        return self

    def wants(self, kind: str, about: frozenset[str]) -> bool:
        """Whether it is told of an event of that kind about these addresses."""
        if kind not in self.events:
            return False
        return not self.accounts or any(
            wanted.lower() in about
            or (wanted[:1] == "@" and any(each.endswith(wanted.lower()) for each in about))
            for wanted in self.accounts
        )


class Settings(BaseModel):
    """[plugins.webhooks]: the endpoints, and how much is kept for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: dict[Annotated[str, Field(pattern=NAME)], Endpoint] = Field(
        default={}, description="By name, which stands in `hub webhooks` and in the log."
    )
    hold: Duration = Field(
        default=600.0,
        ge=0,
        description="For how long an event that must be tried again holds up later ones of its account.",
    )
    max_events: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Events that may wait for an endpoint; as many are kept as dead letters.",
    )
