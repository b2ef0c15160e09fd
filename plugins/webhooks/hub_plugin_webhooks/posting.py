"""One attempt to tell one endpoint of one event."""

import asyncio
import ipaddress
import ssl
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from hub_plugin_webhooks.settings import Endpoint, is_private
from hub_plugin_webhooks.signature import signed, signing_key

READ: Final = 2048
"""Octets of an answer that are looked at."""
LONGEST_REST: Final = 86400.0
"""Seconds that an endpoint may ask for by Retry-After."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an attempt.

    status: 0 if there was no answer. rest: seconds until the endpoint wants more.
    """

    status: int
    text: str
    rest: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether the event has arrived."""
        return 200 <= self.status < 300

    @property
    def about_event(self) -> bool:
        """Whether the endpoint is well and only this event is not to its liking."""
        return 300 <= self.status < 500 and self.status not in (408, 425, 429)


class Poster(AbstractAsyncContextManager["Poster"]):
    """The connections to one endpoint."""

    def __init__(self, endpoint: Endpoint, version: str) -> None:
        self._endpoint = endpoint
        self._version = version
        secrets = filter(None, (endpoint.secret, endpoint.old_secret))
        self._keys = [signing_key(secret) for secret in secrets]
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """OSError if `tls_ca` cannot be read."""
        endpoint = self._endpoint
        verify: ssl.SSLContext | bool = endpoint.tls_verify
        if endpoint.tls_verify and endpoint.tls_ca is not None:
            verify = await asyncio.to_thread(ssl.create_default_context, cafile=str(endpoint.tls_ca))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=endpoint.connections, ssl=verify, resolver=_PublicOnly(private=endpoint.private)
            ),
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, event: str, body: str, traceparent: str = "") -> Answer:
        """Send it once; whatever goes wrong is an answer. traceparent: of W3C's Trace Context."""
        assert self._session is not None
        octets = body.encode()
        headers = {
            "content-type": "application/json",
            "user-agent": f"hub-plugin-webhooks/{self._version}",
            # The receiver compares it with its own clock, so it is the machine's time.
            **({"traceparent": traceparent} if traceparent else {}),
            **signed(self._keys, event, int(time.time()), octets),
        }
        try:
            # A redirect would lead somewhere that the operator has not written down.
            async with self._session.post(
                self._endpoint.url, data=octets, headers=headers, allow_redirects=False
            ) as response:
                said = (await response.content.read(READ)).decode("utf-8", "replace")
                first = "".join(char if char.isprintable() else " " for char in said[:200]).strip()
                rest = _retry_after(response.headers.get("Retry-After"))
                return Answer(response.status, f"{response.status} {response.reason} {first}".strip(), rest)
        except TimeoutError:
            return Answer(0, f"no answer within {self._endpoint.timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(0, f"{type(error).__name__}: {error}")


class _PublicOnly(AbstractResolver):
    """Names lead to addresses of the internet alone, unless the operator allows others or wrote localhost.

    An address that stands in the URL itself is never looked up, so it is taken as it is written.
    """

    def __init__(self, *, private: bool) -> None:
        self._resolver = ThreadedResolver()
        self._private = private

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """OSError if no address is left."""
        found = await self._resolver.resolve(host, port, family)  # type: ignore[arg-type]  # a plain int
        if self._private or is_private(host):
            return found
        public = [each for each in found if ipaddress.ip_address(each["host"].partition("%")[0]).is_global]
        if not public:
            raise OSError(f"{host} is no address of the internet; `private = true` would allow it")
        return public

    async def close(self) -> None:
        """Nothing is open."""
        await self._resolver.close()


def _retry_after(value: str | None) -> float:
    """Seconds or a date (RFC 9110 §10.2.3); 0 if it says nothing that can be understood."""
    if value is None:
        return 0.0
    try:
        seconds = (
            float(value)
            if value.strip().isdigit()
            else parsedate_to_datetime(value).timestamp() - time.time()
        )
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_REST)
