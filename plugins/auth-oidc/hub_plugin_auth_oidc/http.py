"""Questions to the issuer: bounded in size and time, never redirected, only where they may go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, cast

import aiohttp

from hub_plugin_auth_oidc.settings import checked_url

MAX_OCTETS: Final = 512 << 10
MAX_CONNECTIONS: Final = 8


@asynccontextmanager
async def session(timeout: float) -> AsyncIterator[aiohttp.ClientSession]:
    """A client without cookies, proxies or compression."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout),
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        auto_decompress=False,
    ) as http:
        yield http


async def get(http: aiohttp.ClientSession, url: object) -> Mapping[str, object]:
    """The JSON object behind an address. OSError with a sentence."""
    if not isinstance(url, str):
        raise OSError("the issuer's configuration has no address for its keys")
    try:
        checked_url(url)
    except ValueError as error:
        raise OSError(f"{url} {error}") from None
    return await _answer(http, "GET", url)


async def post(
    http: aiohttp.ClientSession, url: str, form: Mapping[str, str], authorization: str
) -> Mapping[str, object]:
    """The JSON object that answers a form. OSError with a sentence."""
    return await _answer(http, "POST", url, data=form, headers={"Authorization": authorization})


async def _answer(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    data: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, object]:
    try:
        async with http.request(method, url, data=data, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise OSError(f"{url} answers {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(64 << 10):
                body += chunk
                if len(body) > MAX_OCTETS:
                    raise OSError(f"{url} answers more than {MAX_OCTETS} octets")
    except TimeoutError:
        raise OSError(f"{url} does not answer in time") from None
    except aiohttp.ClientError as error:
        raise OSError(f"{url} cannot be asked: {error}") from None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OSError(f"{url} does not answer with a JSON object")
    return cast("dict[str, object]", found)
