"""A web server of a test's own, for plugins that talk to one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Answer: TypeAlias = tuple[int, Mapping[str, str], str]
"""Status, header fields, body."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass(slots=True)
class HttpPeer:
    """What listens on `url`; every request is in `received`, and `answers` are given before the usual one."""

    url: str
    received: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


@asynccontextmanager
async def http_peer(answer: Callable[[Received], Answer]) -> AsyncIterator[HttpPeer]:
    """Listen on a free port of 127.0.0.1. answer: what a request usually gets."""
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.Response:
        received = Received(request.path, request.headers.copy(), await request.read())
        peer.received.append(received)
        status, headers, text = peer.answers.pop(0) if peer.answers else answer(received)
        return web.Response(status=status, headers=headers, text=text)

    server = web.Server(handle)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    peer = HttpPeer(f"http://{host}:{port}")
    try:
        yield peer
    finally:
        await runner.cleanup()
