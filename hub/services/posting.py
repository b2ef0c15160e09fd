"""POSTs to a service outside, with one reading of its answers for all who do that.

aiohttp is loaded when the first one is opened; who uses it requires `mail-hub[http]`.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.mail.alert import Attempt

if TYPE_CHECKING:
    from aiohttp import ClientSession

LONGEST_ANSWER: Final = 64 << 10
"""Octets of an answer that are read; services say what is wrong in fewer."""
SHOWN: Final = 300
"""Characters of an answer that stand in a trouble."""
LONGEST_PAUSE: Final = 3600.0
"""Seconds that a service is left alone at most, whatever it asks for."""


class Poster:
    """POSTs through one pool of connections; `open_poster` makes it.

    It follows no redirects and keeps no cookies, and no trouble that it gives names the address, which often
    is a secret.
    """

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Attempt:
        """POST JSON and read the answer: 2xx is success, 408, 425, 429 and 5xx mean later, all else never.

        How long to wait is taken from Retry-After (RFC 9110 §10.2.3), in seconds or as a date, else from
        X-RateLimit-Reset-After or a number `retry_after` in the answer. headers: besides Content-Type.
        """
        from aiohttp import ClientError, InvalidURL, NonHttpUrlClientError

        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as response:
                said = await response.content.read(LONGEST_ANSWER)
                return _read(response.status, response.headers, said)
        except (InvalidURL, NonHttpUrlClientError):
            return Attempt("its address is none that HTTP knows")
        except TimeoutError:
            return Attempt("no answer in time", again=True)
        except (ClientError, OSError) as error:
            return Attempt(f"no connection: {type(error).__name__}", again=True)


@asynccontextmanager
async def open_poster(timeout: float = 10.0, trust: Path | None = None) -> AsyncIterator[Poster]:
    """A Poster that is closed at the end: `await plugin.enter(open_poster())`. timeout: seconds of a POST.

    trust: certificates of authorities in place of the system's, as PEM.
    """
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

    connector = TCPConnector(ssl=ssl.create_default_context(cafile=trust)) if trust is not None else None
    limit = ClientTimeout(total=timeout)
    session = ClientSession(timeout=limit, cookie_jar=DummyCookieJar(), connector=connector)
    try:
        yield Poster(session)
    finally:
        await session.close()
        await asyncio.sleep(0)  # its connections are gone in the next turn of the loop


def _read(status: int, headers: Mapping[str, str], said: bytes) -> Attempt:
    if 200 <= status < 300:
        return Attempt(after=_pause(headers, b"") if headers.get("X-RateLimit-Remaining") == "0" else 0.0)
    text = " ".join(said.decode("utf-8", "replace").split())
    shown = "".join(each for each in text if each.isprintable())[:SHOWN]
    trouble = f"HTTP {status}: {shown}" if shown else f"HTTP {status}"
    if status in (408, 425, 429) or status >= 500:
        return Attempt(trouble, again=True, after=_pause(headers, said))
    return Attempt(trouble)


def _pause(headers: Mapping[str, str], said: bytes) -> float:
    asked = headers.get("Retry-After") or headers.get("X-RateLimit-Reset-After") or _in_answer(said)
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
        except ValueError:
            return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE) if math.isfinite(seconds) else 0.0


def _in_answer(said: bytes) -> str:
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        return ""
    return str(answer.get("retry_after", "")) if isinstance(answer, dict) else ""
