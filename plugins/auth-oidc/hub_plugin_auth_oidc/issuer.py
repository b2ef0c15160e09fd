"""What is known of the issuer: its keys, asked for when they are needed and not more often."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import aiohttp
import jwt

from hub import Clock
from hub_plugin_auth_oidc.http import get, post
from hub_plugin_auth_oidc.keys import Keys, read_keys
from hub_plugin_auth_oidc.settings import Introspection, Settings

PAUSE: Final = 30.0
"""Seconds between two fetches, whatever tokens come: a key that nobody knows costs one in that time."""
KEPT: Final = 86400.0
"""Seconds that keys are used after the issuer has last shown them, if it cannot be reached."""


class Issuer:
    """One fetch at a time; whoever needs it waits for the same one.

    report: told what is wrong with the issuer, None if it answers.
    """

    def __init__(
        self,
        settings: Settings,
        http: aiohttp.ClientSession,
        clock: Clock,
        report: Callable[[str | None], None],
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._report = report
        self._lock = asyncio.Lock()
        self._keys: Keys | None = None
        self._shown = 0.0  # when the keys were seen last
        self._tried: float | None = None
        self._trouble: str | None = None

    @property
    def configuration(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery 1.0 §4)."""
        return self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"

    async def key(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key that a token was signed with, None if the issuer has no such key.

        OSError if that cannot be known now.
        """
        if self._age() > self._settings.refresh:
            await self._refresh()
        found = self._find(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._find(kid, algorithm)
        if found is None and (self._keys is None or self._trouble is not None):
            raise OSError(self._trouble or "the issuer's keys are not known yet")
        return found

    async def introspect(self, asked: Introspection, token: str) -> Mapping[str, object]:
        """What the issuer says of a token (RFC 7662 §2.2). OSError if it says nothing."""
        # RFC 6749 §2.3.1: name and secret are encoded as in a form before they go into the header.
        client = f"{quote(asked.client_id, safe='')}:{quote(asked.client_secret.reveal(), safe='')}"
        basic = f"Basic {base64.b64encode(client.encode()).decode()}"
        form = {"token": token, "token_type_hint": "access_token"}
        return await post(self._http, asked.url, form, basic)

    def _age(self) -> float:
        return float("inf") if self._keys is None else self._clock.monotonic() - self._shown

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if self._keys is None or self._age() > KEPT:
            return None
        return self._keys.find(kid, algorithm)

    async def _refresh(self) -> None:
        """Fetch, unless that was done or tried just now."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._tried is not None and now - self._tried < PAUSE:
                return
            self._tried = now
            try:
                self._keys = await self._fetch()
            except OSError as error:
                self._trouble = str(error)
            except BaseException:
                self._tried = None  # nobody was answered
                raise
            else:
                self._shown, self._trouble = now, None
            self._report(self._trouble)

    async def _fetch(self) -> Keys:
        document = await get(self._http, self.configuration)
        if document.get("issuer") != self._settings.issuer:
            said = str(document.get("issuer"))[:200]
            raise OSError(f"{self.configuration} is of the issuer {said!r}, not {self._settings.issuer!r}")
        return read_keys(await get(self._http, document.get("jwks_uri")))
