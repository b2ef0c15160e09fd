"""What the operator says of the issuer."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hub import Duration, Networks, Secret

LOOPBACK: Final = Networks(("127.0.0.0/8", "::1"))
CLAIM: Final = re.compile(r"\{([^{}\x00-\x20]+)\}")


def checked_url(url: str) -> str:
    """An address that may be asked: whoever reads or changes what it answers decides who logs in here."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise ValueError("should be an address such as https://login.example.org") from None
    local = host == "localhost" or host in LOOPBACK
    if not host or parts.scheme not in (("https", "http") if local else ("https",)):
        raise ValueError("should begin with https://; http:// is for this machine alone")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("should have no user, no query and no fragment")
    return url


def _template(text: str) -> str:
    if not CLAIM.search(text) or "{" in CLAIM.sub("", text) or "}" in CLAIM.sub("", text):
        raise ValueError(
            'should name claims in braces, such as "{email}" or "{preferred_username}@a.example"'
        )
    return text


Url: TypeAlias = Annotated[str, AfterValidator(checked_url)]


class Introspection(BaseModel):
    """[plugins.auth-oidc.introspection]: tokens that only the issuer can read are shown to it (RFC 7662)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url = Field(description="The issuer's introspection endpoint.")
    client_id: str = Field(description="Who the hub is to the issuer.")
    client_secret: Secret = Field(description="The secret of that client.")


class Settings(BaseModel):
    """[plugins.auth-oidc]: whose tokens log in here, and as whom."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Url = Field(description="The issuer, exactly as its tokens name it in `iss`.")
    audience: tuple[str, ...] = Field(
        min_length=1, description="Whom a token must be for: one of these has to stand in its `aud`."
    )
    scopes: tuple[str, ...] = Field(default=(), description="Scopes that a token must have, all of them.")
    login: Annotated[str, AfterValidator(_template)] = Field(
        default="{email}", description="The login name, made of the token's claims."
    )
    leeway: Duration = Field(
        default=60.0, ge=0, le=600, description="How much the issuer's clock may differ from ours."
    )
    refresh: Duration = Field(
        default=3600.0,
        ge=60,
        le=86400,
        description="How long the issuer's keys are used until it is asked again.",
    )
    timeout: Duration = Field(
        default=4.0, gt=0, le=4.5, description="How long one question to the issuer may take."
    )
    introspection: Introspection | None = Field(
        default=None, description="Where tokens are asked about that are no JWT; without it they are refused."
    )
