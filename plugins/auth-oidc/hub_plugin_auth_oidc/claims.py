"""What a token says once it is known whose it is: whether it is for us and for now, and who its bearer is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hub_plugin_auth_oidc.settings import CLAIM, Settings

_MOST = 1 << 53
_NAME = re.compile(r"[^\x00-\x20\x7f]{1,320}")


class TokenRefused(Exception):
    """A reason for the log. status: what the client is told (RFC 6750 §3.1)."""

    def __init__(self, reason: str, status: str = "invalid_token") -> None:
        super().__init__(reason)
        self.status = status


def login_of(claims: Mapping[str, object], settings: Settings, now: float) -> str:
    """The login name that the claims lead to. TokenRefused. now: seconds since the epoch."""
    if claims.get("iss") != settings.issuer:
        raise TokenRefused(f"the token is of another issuer, {_shown(claims.get('iss'))}")
    if not set(_texts(claims.get("aud"))) & set(settings.audience):
        raise TokenRefused(f"the token is for somebody else, {_shown(claims.get('aud'))}")
    if not now < _moment(claims, "exp") + settings.leeway:
        raise TokenRefused("the token has expired")
    if "nbf" in claims and not _moment(claims, "nbf") - settings.leeway <= now:
        raise TokenRefused("the token is not valid yet")
    missing = set(settings.scopes) - scopes(claims)
    if missing:
        raise TokenRefused(f"the token lacks the scope {' '.join(sorted(missing))}", "insufficient_scope")
    return _login(claims, settings.login)


def scopes(claims: Mapping[str, object]) -> set[str]:
    """What the token allows: `scope` (RFC 9068 §2.2.3), or `scp` as some issuers call it."""
    found = claims.get("scope", claims.get("scp"))
    return set(found.split()) if isinstance(found, str) else set(_texts(found))


def _login(claims: Mapping[str, object], template: str) -> str:
    def value(match: re.Match[str]) -> str:
        found = claims.get(match[1])
        if not isinstance(found, str) or not found:
            raise TokenRefused(f"the token has no claim {match[1]!r} that could be a name")
        # OpenID Connect Core §5.1: an address that nobody has verified may be anybody's.
        if match[1] == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise TokenRefused("the issuer has not verified the address")
        return found

    login = CLAIM.sub(value, template)
    if not _NAME.fullmatch(login):
        raise TokenRefused(f"the token's claims make no name, {_shown(login)}")
    return login


def _moment(claims: Mapping[str, object], name: str) -> float:
    """RFC 7519 §2: NumericDate."""
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not -_MOST < found < _MOST:
        raise TokenRefused(f"the token has no usable {name!r}")
    return float(found)


def _texts(value: object) -> list[str]:
    many = value if isinstance(value, list) else [value]
    return [each for each in many if isinstance(each, str)]


def _shown(value: object) -> str:
    return repr(value)[:200]
