"""One connection: what the event loop calls; no task exists while the client is silent."""

from __future__ import annotations

import asyncio
from typing import Final, cast

from hub.accepting.arrival import Arrival, ends
from hub.hooks.imap import imap_connect
from hub.imap.notify import has_news, tell_news
from hub.imap.opening import ask, greet, note_closed, note_opened
from hub.imap.replies import (
    BYE_BROKEN_DEFLATE,
    BYE_SHUTDOWN,
    BYE_TIMEOUT,
    BYE_TOO_MANY,
    BYE_TOO_MANY_FROM_ADDRESS,
)
from hub.imap.serving import serve
from hub.imap.session import ImapSession
from hub.loading.census import IMAP, Full
from hub.log import SESSION, get_logger
from hub.tls.info import tls_info

LOGIN_TIMEOUT: Final = 180.0
BLOCKED_TIMEOUT: Final = 300.0
LINGER: Final = 2.0
TELL_AGAIN: Final = 1.0
WRITE_BUFFER: Final = 256 << 10

_log = get_logger(area="imap")


class Connection(asyncio.Protocol):
    """The transport's side of a session. While a command runs there is one task, between commands there
    is none."""

    __slots__ = (
        "_arrival",
        "_cell",
        "_draining",
        "_leaving",
        "_loop",
        "_lost",
        "_task",
        "_told_at",
        "_transport",
        "deadline",
        "session",
    )

    def __init__(self, session: ImapSession, arrival: Arrival | None = None) -> None:
        self.session = session
        self._arrival = arrival
        self._cell: int | None = None  # where the census counts the session
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.deadline = self._loop.time() + LOGIN_TIMEOUT
        self._told_at = 0.0  # not before this moment, after it could not be told once
        self._draining = self._leaving = self._lost = False

    # -- what the event loop calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet (RFC 3501 §7.1)."""
        session = self.session
        session.start_tls = self._start_tls
        session.wakened = self._wakened
        self._attach(cast(asyncio.Transport, transport))
        arrival = self._arrival
        session.peer, session.local = ends(transport, arrival)
        session.kernel.connections.add(self)
        note_opened(session)
        if self._is_refused():
            return
        if session.kernel.generations.current.plans[imap_connect.__name__]:
            self._task = self._loop.create_task(self._ask_connect())
        else:
            greet(session)

    async def _ask_connect(self) -> None:
        """Greet, unless a plugin does not want this client; what it has sent already waits."""
        session = self.session
        SESSION.set(session.id)
        farewell = await ask(session)
        self._task = None
        if self._lost:
            self._closed()
        elif farewell is not None:
            self._bye(farewell, linger=False)
        else:
            greet(session)
            self._advance()
            if self._task is None:
                self._rest()

    def _is_refused(self) -> bool:
        """Whether there is no room for this session; then it closes."""
        kernel, arrival = self.session.kernel, self._arrival
        if arrival is not None and arrival.counted is not None:
            self._cell = arrival.counted
            return False
        found = kernel.commons.census.enter(IMAP, self.session.peer[0], kernel.settings.imap)
        if isinstance(found, int):
            self._cell = found
            return False
        self._bye(BYE_TOO_MANY if found is Full.TOTAL else BYE_TOO_MANY_FROM_ADDRESS, linger=False)
        return True

    def data_received(self, data: bytes) -> None:
        """Octets are kept until a command has them; a line that is whole starts the task."""
        if not self._leaving:
            self._postpone()
            self.session.input.feed(data)
            self._advance()
            if self.session.input.broken and self._task is None:
                self._rest()

    def eof_received(self) -> bool:
        """A client that has sent all its commands still gets the answers; a TLS connection cannot be half
        open."""
        self.session.input.close()
        self._advance()
        return self._task is not None and self.session.tls is None and not self._leaving

    def pause_writing(self) -> None:
        """The client does not read."""
        self.session.out.pause()
        self.deadline = self._loop.time() + BLOCKED_TIMEOUT

    def resume_writing(self) -> None:
        """The client reads again."""
        self.session.out.resume()
        self._postpone()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the client, so that the command ends."""
        self._lost = True
        self.session.input.close()
        self.session.out.close()
        if self._task is None:
            self._closed()

    # -- what the hub calls -------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Close on a client that was silent for too long, or has not read for too long (RFC 3501 §5.4)."""
        if now < self.deadline:
            return
        if self.session.out.blocked or self._leaving:
            assert self._transport is not None
            self._transport.abort()
        elif self._task is None or self.session.input.awaited:
            self._bye(BYE_TIMEOUT)
        else:
            self._postpone()

    def drain(self) -> None:
        """Say BYE, now or after the command under way."""
        self._draining = True
        if self._task is None:
            self._bye(BYE_SHUTDOWN, linger=False)

    # -- the task ----------------------------------------------------------------------------------

    def _advance(self) -> None:
        if (
            self._task is None
            and not self._lost
            and not self.session.ending
            and self.session.input.has_line()
        ):
            self._task = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        session = self.session
        SESSION.set(session.id)
        try:
            while not session.ending and not self._draining and session.input.has_line():
                session.out.begin()
                await serve(session)
                session.out.flush()
                await session.out.flow()
        except ConnectionResetError:
            session.ending = True
        except Exception:
            _log.error("a session failed", exc_info=True)
            session.out.send(b"* BYE [SERVERBUG] Something went wrong in the server\r\n")
            session.ending = True
        finally:
            self._task = None
            self._postpone()
            self._rest()

    def _rest(self) -> None:
        """No command is left: wait for the next one, or close."""
        session = self.session
        if self._lost:
            self._closed()
        elif session.input.broken:
            self._bye(BYE_BROKEN_DEFLATE)
        elif session.ending or session.input.closed:
            self._close()
        elif self._draining:
            self._bye(BYE_SHUTDOWN, linger=False)
        else:
            session.out.flush()
            self._wakened()
            if self._task is None:
                session.out.rest()

    def _wakened(self) -> None:
        """Something has changed: a client in IDLE, or with NOTIFY, is told at once, any other after its next
        command."""
        if (
            self._task is None
            and not self._lost
            and not self.session.ending
            and has_news(self.session)
            and self._loop.time() >= self._told_at
        ):
            self._task = self._loop.create_task(self._tell_idler())

    async def _tell_idler(self) -> None:
        session = self.session
        SESSION.set(session.id)
        try:
            session.out.begin()
            await tell_news(session)
        except ConnectionResetError:
            session.ending = True
        except Exception:
            _log.error("a client in IDLE cannot be told", exc_info=True)
            self._told_at = self._loop.time() + TELL_AGAIN
            self._loop.call_at(self._told_at + 0.1, self._wakened)
        finally:
            self._task = None
            self._rest()
            self._advance()

    # -- the ends ----------------------------------------------------------------------------------

    async def _start_tls(self) -> None:
        session = self.session
        assert self._transport is not None
        assert session.settings is not None
        session.out.flush()
        self._attach(await session.kernel.tls.upgrade(self._transport, self, session.settings))

    def _attach(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self.session.input.attach(transport)
        self.session.out.attach(transport)
        self.session.tls = tls_info(transport)

    def _postpone(self) -> None:
        """The client is there. It has one deadline for its login and another while it does not read."""
        session = self.session
        if session.identity is not None and not session.out.blocked and not self._leaving:
            self.deadline = self._loop.time() + session.kernel.settings.imap.timeout

    def _bye(self, farewell: bytes, *, linger: bool = True) -> None:
        self.session.out.send(farewell)
        self.session.ending = True
        self._close(linger=linger)

    def _close(self, *, linger: bool = True) -> None:
        """Write what is left and close. linger: read on for a while, for octets that nobody reads reset the
        connection, and a reset may take our last words with it.
        """
        if self._leaving:
            return
        session, transport = self.session, self._transport
        assert transport is not None
        self._leaving = True
        session.out.flush()
        linger = linger and not session.input.closed and transport.can_write_eof()
        session.input.close()
        if linger:
            transport.write_eof()
            transport.resume_reading()
            self.deadline = self._loop.time() + LINGER
        else:
            transport.close()

    def _closed(self) -> None:
        session = self.session
        session.select(None)
        session.set_notification(None)
        session.forget_annotated()
        session.kernel.connections.remove(self)
        if self._cell is not None:
            session.kernel.commons.census.leave(IMAP, self._cell)
        note_closed(session)
