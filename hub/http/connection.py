"""One connection that speaks HTTP/1.1 (RFC 9112): uvicorn parses, the hub limits, counts and traces."""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter
from typing import Final

from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hub.accepting.arrival import Arrival, ends
from hub.dispatch.driving import drive
from hub.dispatch.failure import reason
from hub.http.answering import Answer, answer, finish, read
from hub.loading.census import HTTP
from hub.loading.kernel import Kernel
from hub.log import SESSION, get_logger
from hub.mail.ident import new_id
from hub.trace.record import Trace

MAX_HEAD: Final = 32 << 10
"""Octets of a request's line and fields; whoever sends more gets 400."""
TRACE_CHUNK: Final = 200
"""A connection with more records than this has them written before its end."""
NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)
_SILENT: Final = logging.Logger("uvicorn", logging.CRITICAL + 1)
"""Takes what uvicorn says of clients that speak no HTTP: everybody could fill the log with it."""

_log = get_logger(area="http")


def uvicorn_config() -> Config:
    """How uvicorn's protocol behaves, for all connections of a listener."""
    return Config(
        _not_called,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD,
    )


async def _not_called(scope: Scope, receive: Receive, send: Send) -> None:
    """uvicorn's configuration wants an application; each connection has its own."""


class HttpConnection(H11Protocol):
    """From accept to close; `_deadline` holds while no request is under way, on the loop's clock."""

    def __init__(
        self, kernel: Kernel, listener_name: str, protocol: str, config: Config, arrival: Arrival | None
    ) -> None:
        super().__init__(config, ServerState(), {})
        self.app = self._respond
        self.logger = _SILENT
        self._kernel = kernel
        self._listener_name = listener_name
        self._protocol = protocol
        self._arrival = arrival
        self._cell: int | None = None  # where the census counts the session
        self._under_way = 0
        self._is_lost = False
        self._deadline = 0.0

    # -- what the transport calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the client, or turn it away."""
        super().connection_made(transport)
        kernel, arrival = self._kernel, self._arrival
        self.client, self.server = ends(transport, arrival)
        peer = self.client
        about = f"{self._protocol} from {peer[0]}:{peer[1]}"
        self._trace = Trace(new_id(), about, self._listener_name)
        self._trace.add("session", self._protocol, "opened", detail=f"{peer[0]}:{peer[1]}")
        kernel.connections.add(self)
        kernel.sessions[self._trace.session_id] = self._trace
        self.timeout_keep_alive = kernel.settings.http.keep_alive  # type: ignore[assignment]
        self._deadline = self.loop.time() + kernel.settings.http.timeout
        if arrival is not None and arrival.counted is not None:
            self._cell = arrival.counted
            return
        found = kernel.commons.census.enter(HTTP, peer[0], kernel.settings.http)
        if isinstance(found, int):
            self._cell = found
        else:
            transport.write(NO_ROOM)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Read on; nothing from a client that was turned away."""
        if not self.transport.is_closing():
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; a handler that is at work ends by itself."""
        super().connection_lost(exc)
        self._is_lost = True
        if not self._under_way:
            self._end()

    # -- what the hub calls -----------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Cut off a client that sends no whole request, or does not read what it was sent."""
        if not self._under_way and now > self._deadline:
            self.transport.abort()

    def drain(self) -> None:
        """Close, now or after the response under way."""
        if not self.transport.is_closing():
            self.shutdown()

    # -- one request ------------------------------------------------------------------------------

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """uvicorn's application; a task of its own, so nothing may leave it."""
        SESSION.set(self._trace.session_id)
        self._under_way += 1
        settings, began = self._kernel.settings.http, perf_counter()
        generations, request = self._kernel.generations, Request(scope)
        try:
            body = await read(generations.current.routes, request, receive, settings)
            pin = generations.pin()  # not before, for the client may take its time
            try:
                said = body if isinstance(body, Answer) else await answer(pin, self._trace, request, body)
                finish(said.response)
                self._trace.add(
                    "command",
                    scope["method"],
                    str(said.response.status_code),
                    seconds=perf_counter() - began,
                    detail=scope["raw_path"][:256].decode("ascii"),
                )
                await self._send(said, scope, receive, send, settings.timeout)
            finally:
                pin.release()
        except ConnectionResetError:
            pass  # it has left in the middle of its request
        except Exception:
            _log.error("a request failed", exc_info=True)
            self.transport.abort()
        finally:
            self._under_way -= 1
            self._rest(settings.timeout if self.transport.get_write_buffer_size() else settings.keep_alive)

    async def _send(self, said: Answer, scope: Scope, receive: Receive, send: Send, seconds: float) -> None:
        """Send a response; one that is made piece by piece is still the plugin's code."""
        try:
            await drive(said.response(scope, receive, send), seconds)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            if not self._is_lost:
                _log.warning("a response was cut short", plugin=said.plugin, reason=reason(error))
            self.transport.abort()

    def _rest(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds
        if len(self._trace) > TRACE_CHUNK:
            self._kernel.write_trace(self._trace)
        if self._is_lost and not self._under_way:
            self._end()

    def _end(self) -> None:
        kernel, trace = self._kernel, self._trace
        kernel.connections.remove(self)
        if self._cell is not None:
            kernel.commons.census.leave(HTTP, self._cell)
        trace.add("session", self._protocol, "closed")
        kernel.sessions.pop(trace.session_id, None)
        kernel.write_trace(trace)
