"""A request and the route that it leads to; whatever goes wrong inside a plugin is a 500 without its text."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive

from hub.config.tables.sessions import HttpTable
from hub.dispatch.failure import Failure
from hub.loading.generation import Pin
from hub.loading.routes import Routes
from hub.trace.record import Trace

SECURE: Final = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"))
"""Said with every response that says nothing else about it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response and the plugin that has made it, None for the hub itself."""

    response: Response
    plugin: str | None


class _BodyTooLarge(Exception):
    """More octets than `http.max_body`."""


async def read(routes: Routes, request: Request, receive: Receive, settings: HttpTable) -> bytes | Answer:
    """The body of a request, or why nobody is asked. ConnectionResetError."""
    by_method, _ = routes.find(request.scope["path"])
    if not by_method:
        return _own(404)
    if _method(request) not in by_method:
        allowed = {*by_method, "HEAD"} if "GET" in by_method else by_method
        return _own(405, Allow=", ".join(sorted(allowed)))
    try:
        async with asyncio.timeout(settings.timeout):
            return await _body(request, receive, settings.max_body)
    except _BodyTooLarge:
        return _own(413, Connection="close")
    except TimeoutError:
        return _own(408, Connection="close")


async def answer(pin: Pin, trace: Trace, request: Request, body: bytes) -> Answer:
    """The response, by the routes of the pinned generation: they may have changed since `read` looked."""
    by_method, values = pin.generation.routes.find(request.scope["path"])
    answerer = by_method.get(_method(request))
    if answerer is None:
        return _own(404)
    scope = {**request.scope, "path_params": dict(zip(answerer.parameters, values, strict=True))}
    outcome = await answerer.step.run(trace, {"request": Request(scope, _given(body))})
    if isinstance(outcome, Failure):
        return _own(500)
    return _own(404) if outcome is None else Answer(cast(Response, outcome), answerer.step.plugin)


def finish(response: Response) -> None:
    """Add what every response says."""
    response.headers["Date"] = formatdate(usegmt=True)  # RFC 9110 §6.6.1
    for name, value in SECURE:
        response.headers.setdefault(name, value)


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else request.method


def _own(code: int, **headers: str) -> Answer:
    said = {
        404: "Nothing is here",
        405: "This is not done here",
        408: "The request did not come in time",
        413: "The request is too large",
        500: "Something went wrong in the server",
    }
    return Answer(PlainTextResponse(said[code] + "\n", code, headers), None)


async def _body(request: Request, receive: Receive, limit: int) -> bytes:
    """The whole body, so that a slow client keeps no plugin waiting. ConnectionResetError."""
    length = request.headers.get("Content-Length", "0")
    if not length.isdecimal() or int(length) > limit:
        raise _BodyTooLarge
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        if len(body) > limit:
            raise _BodyTooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _given(body: bytes) -> Receive:
    """Hands out a body once, and then waits for a client that has nothing more to say."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive
