"""A real HTTP server on loopback that keeps what it is sent and answers as the test wants."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web


@dataclass(frozen=True, slots=True)
class Request:
    """What came. headers: by names in lower case. body: uncompressed."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. hangs: nothing at all, until the peer ends."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str = b""
    hangs: bool = False


class HttpPeer:
    """url: of its root. answers: given in turn, before the usual one. received: all requests so far.

    requests: the same, for who waits for the next one.
    """

    def __init__(
        self, answers: Sequence[Answer] = (), usual: Callable[[Request], Answer] = lambda _: Answer()
    ) -> None:
        self.url = ""
        self.answers = list(answers)
        self.received: list[Request] = []
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self._usual = usual

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Keep a request and answer it."""
        from aiohttp import web

        headers = {name.lower(): value for name, value in request.headers.items()}
        came = Request(request.method, request.path, headers, await request.read())
        self.received.append(came)
        self.requests.put_nowait(came)
        answer = self.answers.pop(0) if self.answers else self._usual(came)
        if answer.hangs:
            await asyncio.Event().wait()
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


@asynccontextmanager
async def http_peer(
    *answers: Answer,
    usual: Callable[[Request], Answer] = lambda _: Answer(),
    tls: ssl.SSLContext | None = None,
    socket: str | None = None,
) -> AsyncIterator[HttpPeer]:
    """Serve on a free port of 127.0.0.1, or on a Unix socket; needs aiohttp.

    usual: what a request gets that none of the answers is left for.
    """
    from aiohttp import web

    peer = HttpPeer(answers, usual)
    runner = web.ServerRunner(web.Server(peer.handle), shutdown_timeout=0.01)
    await runner.setup()
    try:
        site: web.BaseSite
        if socket is not None:
            site = web.UnixSite(runner, socket)
        else:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        peer.url = f"{'http' if tls is None else 'https'}://127.0.0.1"
        if socket is None:
            peer.url += f":{runner.addresses[0][1]}"
        yield peer
    finally:
        await runner.cleanup()
