"""From a token to a login name: who signed it, or what its issuer says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import jwt

from hub import BearerHelp, Clock
from hub_plugin_auth_oidc.claims import TokenRefused, login_of
from hub_plugin_auth_oidc.issuer import Issuer
from hub_plugin_auth_oidc.keys import ALGORITHMS
from hub_plugin_auth_oidc.settings import Settings

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}={0,10}")  # RFC 6750 §2.1


@dataclass(frozen=True, slots=True)
class Verifier:
    """What one scope verifies tokens with."""

    settings: Settings
    issuer: Issuer
    clock: Clock

    async def login(self, token: str) -> str:
        """The login name that a token stands for. TokenRefused; OSError if nobody can tell now."""
        if not _TOKEN.fullmatch(token):
            raise TokenRefused("the token has characters that no token has, or too many")
        header = _header(token)
        if header is not None:
            claims = await self._signed(token, header)
        elif self.settings.introspection is not None:
            claims = await self._asked(token)
        else:
            raise TokenRefused("the token is no JWT, and no introspection is configured")
        return login_of(claims, self.settings, self.clock.time())

    def help(self, status: str) -> BearerHelp:
        """What a client needs to get a better token."""
        return BearerHelp(status, " ".join(self.settings.scopes), self.issuer.configuration)

    async def _signed(self, token: str, header: Mapping[str, object]) -> Mapping[str, object]:
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise TokenRefused(f"the token is signed with {str(algorithm)[:50]!r}, not with {_list()}")
        assert kid is None or isinstance(kid, str)
        key = await self.issuer.key(kid, algorithm)
        if key is None:
            raise TokenRefused(f"the issuer has no {algorithm} key {(kid or '')[:100]!r}")
        try:
            payload = jwt.PyJWS().decode(token, key, algorithms=[algorithm])
            claims = json.loads(payload)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefused(f"the token is not what the issuer signed: {error}") from None
        if not isinstance(claims, dict):
            raise TokenRefused("the token holds no claims")
        return cast("dict[str, object]", claims)

    async def _asked(self, token: str) -> Mapping[str, object]:
        assert self.settings.introspection is not None
        answer = await self.issuer.introspect(self.settings.introspection, token)
        if answer.get("active") is not True:
            raise TokenRefused("the issuer says that the token is not active")
        # RFC 7662 §2.2: all but `active` is optional, and who is asked is the issuer.
        assumed = {
            "iss": self.settings.issuer,
            "exp": self.clock.time() + 1,
            "aud": answer.get("client_id"),
        }
        return {**assumed, **answer}


def _header(token: str) -> Mapping[str, object] | None:
    """The header of a JWT, None for a token that is none; nobody has vouched for it yet."""
    if token.count(".") != 2:
        return None
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def _list() -> str:
    return ", ".join(ALGORITHMS)
