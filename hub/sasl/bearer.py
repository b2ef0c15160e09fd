"""OAUTHBEARER (RFC 7628) and XOAUTH2, which was there before it: a token in place of a password."""

from __future__ import annotations

import json
import re
from typing import Final

from hub.mail.login import Bearer, BearerHelp, Identity
from hub.sasl.login import MALFORMED, LoginContext, Refused, Unavailable, authenticate, failed

_END: Final = "\x01"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{0,1024}")


class BearerExchange:
    """One response of the client; to a token that is refused, a challenge that says why."""

    def __init__(self, login: LoginContext, mechanism: str) -> None:
        self._login = login
        self._mechanism = mechanism
        self._refused: Refused | None = None

    async def step(self, response: bytes | None) -> bytes | Identity | Refused | Unavailable:
        """Decide on the token; who has read why it was refused is refused, whatever it says to that."""
        if self._refused is not None:
            return self._refused
        if response is None:
            return b""
        read = _oauthbearer if self._mechanism == "OAUTHBEARER" else _xoauth2
        try:
            username, token = read(response.decode())
        except ValueError:
            return failed(self._login, "", self._mechanism, MALFORMED)
        credentials = Bearer(username, token, self._mechanism)
        end = await authenticate(self._login.kernel, self._login.session, self._login.trace, credentials)
        if not isinstance(end, Refused):
            return end
        self._refused = end
        return _challenge(self._mechanism, end.bearer or BearerHelp())


def _challenge(mechanism: str, told: BearerHelp) -> bytes:
    """RFC 7628 §3.2.2; XOAUTH2 has other names for it."""
    if mechanism == "OAUTHBEARER":
        said = {"status": told.status, "scope": told.scope, "openid-configuration": told.configuration}
    else:
        said = {"status": "401", "schemes": "bearer", "scope": told.scope}
    return json.dumps({name: value for name, value in said.items() if value}).encode()


def _oauthbearer(response: str) -> tuple[str, str]:
    """`n,a=alice@example.org,` and pairs (RFC 7628 §3.1). ValueError."""
    header, _, pairs = response.partition(_END)
    flag, authzid, rest = header.split(",")
    if flag not in ("n", "y") or rest or (authzid and not authzid.startswith("a=")):
        raise ValueError(header)
    return _name(_unescaped(authzid[2:])), _token(_pairs(pairs), optional=True)


def _xoauth2(response: str) -> tuple[str, str]:
    """Pairs, one of them `user=`. ValueError."""
    pairs = _pairs(response)
    if not pairs.get("user"):
        raise ValueError("no name")
    return _name(pairs["user"]), _token(pairs, optional=False)


def _pairs(text: str) -> dict[str, str]:
    """`key=value` with an octet of 1 behind each and another behind all."""
    *items, last, end = text.split(_END)
    if last or end:
        raise ValueError("it does not end as it should")
    pairs = dict(item.split("=", 1) for item in items)
    if len(pairs) != len(items):
        raise ValueError("a key stands there twice")
    return pairs


def _token(pairs: dict[str, str], *, optional: bool) -> str:
    scheme, _, token = (pairs.get("auth") or "").partition(" ")
    if optional and not scheme and "auth" in pairs:
        return ""
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        raise ValueError("no bearer token")
    return token


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("no name has such characters")
    return text


def _unescaped(name: str) -> str:
    """RFC 5801 §4: a comma and an equals sign are written as numbers."""
    if "=" in name.replace("=2C", "").replace("=3D", ""):
        raise ValueError(name)
    return name.replace("=2C", ",").replace("=3D", "=")
