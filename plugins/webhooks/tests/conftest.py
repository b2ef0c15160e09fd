"""A receiver on loopback, and a hub that tells it."""

import asyncio
import base64
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

HUB = Path(sys.executable).with_name("hub")
KEY = b"thirty-two octets of pure chance"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass(frozen=True)
class Received:
    """One attempt."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(json.loads(self.body)["type"])

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    @property
    def subject(self) -> str:
        return str(self.data["message"]["subject"])


Respond = Callable[[Received], web.Response]


@dataclass
class Receiver:
    """A web server that checks each signature; `answer` says what it answers."""

    port: int = 0
    attempts: list[Received] = field(default_factory=list)
    answer: Respond = lambda _: web.Response(status=204)
    hold: asyncio.Event | None = None
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def handle(self, request: web.Request) -> web.Response:
        received = Received(request.headers.copy(), await request.read())
        verify(received, KEY)
        async with self.news:
            self.attempts.append(received)
            self.news.notify_all()
        if self.hold is not None:
            await self.hold.wait()
        return self.answer(received)

    async def until(self, enough: Callable[[list[Received]], bool], seconds: float = 30) -> list[Received]:
        async with asyncio.timeout(seconds), self.news:
            await self.news.wait_for(lambda: enough(self.attempts))
        return list(self.attempts)

    async def some(self, count: int) -> list[Received]:
        return await self.until(lambda attempts: len(attempts) >= count)


def verify(received: Received, *keys: bytes) -> None:
    """As a receiver does that was written from the standard alone."""
    stamp = received.headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < 300
    content = f"{received.id}.{stamp}.".encode() + received.body
    wanted = ["v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    given = received.headers["webhook-signature"].split()
    assert all(each in given for each in wanted), (given, wanted)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.port = runner.addresses[0][1]
    yield receiver
    if receiver.hold is not None:
        receiver.hold.set()
    await runner.cleanup()
