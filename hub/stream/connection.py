"""The transport's side of a session: one task from accept to close, and the ends that it can come to."""

from __future__ import annotations

import asyncio
import math
from typing import Final, cast

from hub.accepting.arrival import Arrival, ends
from hub.dispatch.driving import drive
from hub.dispatch.failure import HookFailed, reason
from hub.hooks.listeners import LineTooLong, Over, SessionOver, listener_connect
from hub.hooks.observe import session_closed, session_opened
from hub.loading.census import Full
from hub.loading.kinds import Speaker
from hub.log import SESSION
from hub.mail.verdict import Defer, Reject
from hub.stream.session import StreamSession
from hub.tls.info import tls_info

BLOCKED_TIMEOUT: Final = 300.0
"""Seconds that a client may take to read some of what it was sent."""
LINGER: Final = 2.0
STOPPING: Final = 8.0
"""Seconds that a session has to end by itself when the hub stops, less than the hub waits."""
WRITE_BUFFER: Final = 256 << 10

SAID: Final = {
    Over.SILENT: "You took too long",
    Over.STOPPING: "The server is shutting down",
    Over.TOO_LONG: "The line is too long",
    Over.BROKEN: "Something went wrong in the server",
    Over.TLS: "Nothing may follow the command before the TLS handshake",
}
"""What a client is told, where nobody else has a text."""
FULL: Final = {
    Full.TOTAL: "There are too many sessions, try again later",
    Full.ADDRESS: "There are too many sessions from your address",
}


class Connection(asyncio.Protocol):
    """From accept to close. base: the protocol's name in its kind."""

    __slots__ = (
        "_arrival",
        "_base",
        "_cell",
        "_killing",
        "_leaving",
        "_login_by",
        "_loop",
        "_lost",
        "_speaker",
        "_task",
        "_transport",
        "deadline",
        "session",
    )

    def __init__(self, session: StreamSession, base: str, speaker: Speaker, arrival: Arrival | None) -> None:
        self.session = session
        self._base = base
        self._speaker = speaker
        self._arrival = arrival
        self._cell: int | None = None  # where the census counts the session
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._killing: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._leaving = self._lost = False
        self.deadline = math.inf
        patience = speaker.kind.login_timeout
        self._login_by = math.inf if patience is None else self._loop.time() + patience

    # -- what the event loop calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the session, or say why not."""
        session, arrival = self.session, self._arrival
        session.upgrade, session.expect = self._upgrade, self._expect
        self._attach(cast(asyncio.Transport, transport))
        session.peer, session.local = ends(transport, arrival)
        kernel = session.kernel
        kernel.connections.add(self)
        kernel.sessions[session.id] = session.trace
        client = f"{session.peer[0]}:{session.peer[1]}"
        session.trace.about = f"{session.protocol} from {client}"
        session.trace.add("session", session.protocol, "opened", detail=client)
        self._speaker.scope.tenancy.enter()
        if arrival is not None and arrival.counted is not None:
            self._cell = arrival.counted
        else:
            found = kernel.commons.census.enter(self._base, session.peer[0], self._speaker.kind.limits)
            if isinstance(found, Full):
                self._close(Over.FULL, FULL[found])
                return
            self._cell = found
        self._task = self._loop.create_task(self._run())

    def data_received(self, data: bytes) -> None:
        """Octets are kept until the session reads them."""
        if not self._leaving:
            self.session.incoming.feed(data)

    def eof_received(self) -> bool:
        """A client that has sent all its commands still gets the answers; TLS cannot be half open."""
        self.session.incoming.end(Over.LEFT)
        return self._task is not None and self.session.tls is None and not self._leaving

    def pause_writing(self) -> None:
        """The client does not read."""
        self.session.outgoing.pause()
        self.deadline = self._loop.time() + BLOCKED_TIMEOUT

    def resume_writing(self) -> None:
        """The client reads again."""
        self.session.outgoing.resume()
        if not self._leaving:
            self._expect(self.session.incoming.awaited)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the client, so that the session ends."""
        self._lost = True
        self.session.incoming.end(Over.LEFT)
        self.session.outgoing.lose()
        if self._task is None:
            self._closed()

    # -- what the hub calls ------------------------------------------------------------------------------

    def look(self, now: float) -> None:
        """End the session of a client that was silent, or has not read, for too long."""
        if now < self.deadline:
            return
        assert self._transport is not None
        if self.session.outgoing.blocked or self._leaving:
            self._transport.abort()
        else:
            self.session.incoming.end(Over.SILENT)

    def drain(self) -> None:
        """End the session, now or after the command under way."""
        self.session.incoming.end(Over.STOPPING)
        if self._task is not None:
            self._killing = self._loop.call_later(STOPPING, self._task.cancel)

    # -- the task ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        SESSION.set(self.session.id)
        refused = await self._refused()
        if refused is None:
            why, text = await self._serve(), ""
        else:
            why, text = refused
        self._task = None
        if self._lost:
            self._closed()
        else:
            self._close(why, text)

    async def _refused(self) -> tuple[Over, str] | None:
        """Whether a plugin does not want this client, and what is said to it."""
        session = self.session
        pin = session.kernel.generations.pin()
        try:
            if pin.generation.plans[listener_connect.__name__]:
                verdict = await pin.first(listener_connect)(session.trace, session=session)
                if isinstance(verdict, Reject | Defer):
                    return (Over.LATER if isinstance(verdict, Defer) else Over.UNWANTED), verdict.text
            if opened := pin.notify(session_opened):
                opened(session=session)
        except HookFailed:
            return Over.LATER, SAID[Over.BROKEN]
        finally:
            pin.release()
        return None

    async def _serve(self) -> Over | None:
        """Let the plugin speak; why the session is over, None if it has ended it itself."""
        speaker, session = self._speaker, self.session
        try:
            await drive(speaker.serve(session), None)
        except SessionOver as over:
            return over.why
        except LineTooLong:  # nothing that a client can send is a failure of the plugin's
            return Over.TOO_LONG
        except asyncio.CancelledError:
            return Over.STOPPING
        except BaseException as error:
            why, where = reason(error), speaker.where(error)
            speaker.scope.log.error("what serves a session failed", reason=why, where=where)
            session.trace.add("note", "session", "failed", plugin=speaker.scope.name, detail=why)
            return Over.BROKEN
        return None

    # -- the ends ----------------------------------------------------------------------------------------

    async def _upgrade(self) -> None:
        session, kernel = self.session, self.session.kernel
        assert self._transport is not None
        try:
            self._attach(await kernel.tls.upgrade(self._transport, self, session.settings))
        except OSError as error:  # ssl.SSLError and a client that leaves
            why = kernel.tls.failed(
                error, session.settings, name=session.listener, peer=session.peer, session=session.id
            )
            session.trace.add("note", "tls", "failed", detail=why[:200])
            raise SessionOver(Over.LEFT) from error

    def _attach(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.session.incoming.attach(transport)
        self.session.outgoing.attach(transport)
        self.session.tls = tls_info(transport)

    def _expect(self, waits: bool) -> None:
        """The session waits for the client from now on, for as long as its kind allows, or no more."""
        if self.session.outgoing.blocked:
            return
        if not waits:
            self.deadline = math.inf
        elif self.deadline == math.inf:  # not anew for each octet of a line
            by = self._loop.time() + self._speaker.kind.timeout
            self.deadline = by if self.session.identity is not None else min(by, self._login_by)

    def _close(self, why: Over | None, text: str = "") -> None:
        """Write what is left and close, but read on for a while: octets that nobody reads reset the
        connection, and a reset may take our last words with it.
        """
        session, transport = self.session, self._transport
        assert transport is not None
        self._leaving = True
        if why is not None and why is not Over.LEFT:
            session.write(self._speaker.farewell(why, text or SAID[why]))
        session.outgoing.flush()
        linger = session.incoming.over is None and transport.can_write_eof()
        session.incoming.end(Over.LEFT)
        if linger:
            transport.write_eof()
            transport.resume_reading()
            self.deadline = self._loop.time() + LINGER
        else:
            self.deadline = self._loop.time() + BLOCKED_TIMEOUT
            transport.close()

    def _closed(self) -> None:
        session, kernel = self.session, self.session.kernel
        if self._killing is not None:
            self._killing.cancel()
        kernel.connections.remove(self)
        if self._cell is not None:
            kernel.commons.census.leave(self._base, self._cell)
        self._speaker.scope.tenancy.leave()
        session.trace.add("session", session.protocol, "closed")
        kernel.sessions.pop(session.id, None)
        kernel.write_trace(session.trace)
        pin = kernel.generations.pin()
        if closed := pin.notify(session_closed):
            closed(session=session)
        pin.release()
