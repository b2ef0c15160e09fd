"""The SMTP server: commands out of the buffer, replies into the output.

buffer ──► _advance: one command after the other ──► _out
              │ somebody has to be asked
              └► one task that goes on until the buffer is empty
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from time import perf_counter
from typing import ClassVar, Final, cast

from hub.accepting.arrival import Arrival, Make, ends
from hub.config.tables.listeners import Listener
from hub.dispatch.failure import HookFailed
from hub.hooks.observe import session_closed
from hub.loading.kernel import Kernel
from hub.log import MESSAGE, SENDER, SESSION
from hub.mail.ident import new_id
from hub.sasl.mechanisms import MAX_RESPONSE
from hub.smtp import auth, bdat, commands, greeting, limits, replies
from hub.smtp.dialogue import Answer, Commands, Dialogue, State
from hub.smtp.incoming import IN_MEMORY, PIECE, Incoming
from hub.smtp.limits import Pace, message_ended, paced
from hub.smtp.message import end_of_data
from hub.smtp.replies import Reply, encode
from hub.smtp.session import SmtpSession
from hub.smtp.wire import MAX_BUFFER, Wire
from hub.tls.info import tls_info
from hub.trace.record import Trace

MAX_LINE: Final = 2048
"""Octets of a command: the 512 of RFC 5321 §4.5.3.1.4 and what extensions add to them."""
BURST: Final = 20
"""Commands of one client that are answered before others are heard, and then as many again."""
FAREWELL: Final = 30.0
"""Seconds that a client gets to read our last words."""


def factory(kernel: Kernel, listener_name: str, listener: Listener) -> Make:
    """What makes the protocol of each connection to a listener."""
    return lambda arrival=None: SmtpProtocol(kernel, listener_name, listener, arrival)


class SmtpProtocol(Wire):
    """One connection. deadline: on the loop's clock, when the client will have been silent for too long."""

    __slots__ = (
        "_arrival",
        "_asked",
        "_began",
        "_detail",
        "_listener",
        "_listener_name",
        "_pace",
        "_task",
        "_verb",
    )
    commands: ClassVar[Commands] = commands.SMTP

    def __init__(
        self, kernel: Kernel, listener_name: str, listener: Listener, arrival: Arrival | None = None
    ) -> None:
        super().__init__(kernel)
        self._listener_name = listener_name
        self._listener = listener
        self._arrival = arrival
        self._pace: Pace | None = None  # of the message that is on its way in
        self._task: asyncio.Task[None] | None = None  # held, for the loop does not
        self._verb, self._detail = "connect", ""  # the command under way, for the trace
        self._asked = perf_counter()

    # -- what the transport calls -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, unless a plugin has to be asked first."""
        self._transport = cast(asyncio.Transport, transport)
        kernel, arrival = self._kernel, self._arrival
        peer, local = ends(transport, arrival)
        session = SmtpSession(
            new_id(),
            self._listener.protocol,
            self._listener_name,
            peer,
            local,
            tls_info(transport),
        )
        client = f"{peer[0]}:{peer[1]}"
        trace = Trace(session.id, f"{session.protocol} from {client}", session.listener)
        trace.add("session", session.protocol, "opened", detail=client)
        self._dialogue = Dialogue(kernel, self._listener, session, trace)
        kernel.sessions[session.id] = trace
        kernel.connections.add(self)
        self._began = self._loop.time()
        self.deadline = self._began + kernel.settings.smtp.greeting_timeout
        answer = limits.enter(self._dialogue, arrival) or greeting.connect(self._dialogue)
        if isinstance(answer, Reply):
            self._reply(answer)
            self._go_on()
        elif answer is not None:
            self._start(answer)

    # -- what the hub calls -----------------------------------------------------------------------

    def look(self, now: float) -> None:
        """Close on a client that is silent, too slow or here for too long, or that does not even read why."""
        if self._slow or self._dialogue.state is State.CLOSING:
            if now > self.deadline:
                self._transport.abort()
        elif not self._is_busy:
            reason = self._overdue(now)
            if reason is not None:
                self._close(reason)

    def _overdue(self, now: float) -> Reply | None:
        dialogue, settings = self._dialogue, self._kernel.settings.smtp
        if now > self._began + settings.session_timeout:
            return replies.SESSION_TOO_LONG
        if dialogue.incoming is None or dialogue.state is State.COMMAND:
            return replies.IDLE if now > self.deadline else None
        came = dialogue.incoming.came(len(self._buffer))
        self._pace = paced(self._pace, dialogue.incoming, came, now, settings)
        return replies.TOO_SLOW if self._pace.patience < 0 else None

    def drain(self) -> None:
        """Close, unless a message is on its way in or a command runs: then after its reply."""
        if not self._is_busy and self._dialogue.state not in (State.DATA, State.CHUNK):
            self._close(replies.DRAINING)

    # -- the loop ---------------------------------------------------------------------------------

    def _go_on(self) -> None:
        pending = self._advance()
        if pending is not None:
            self._start(pending)

    def _start(self, pending: Awaitable[Reply | None]) -> None:
        self._is_busy = True
        self._task = self._loop.create_task(self._work(pending))

    async def _work(self, pending: Awaitable[Reply | None] | None) -> None:
        dialogue = self._dialogue
        SESSION.set(dialogue.session.id)
        answered = 0
        while pending is not None:
            MESSAGE.set(dialogue.trace.message)
            transaction = dialogue.transaction
            SENDER.set(None if transaction is None else transaction.envelope.reverse_path)
            try:
                reply = await pending
            except HookFailed:
                reply = replies.INTERNAL
            except Exception:
                reply = dialogue.failed("command")
            if reply is not None:
                self._reply(reply)
            answered += 1
            if answered % BURST == 0:
                await asyncio.sleep(0)
            pending = self._advance()
        self._is_busy = False
        if self._is_lost:
            self._end()
            return
        self._read_on()

    def _advance(self) -> Awaitable[Reply | None] | None:
        """Answer commands as long as there are whole ones and nobody has to be asked."""
        dialogue = self._dialogue
        for _ in range(BURST):
            if self._is_lost or self._slow:
                break
            state = dialogue.state
            if state is State.COMMAND or state is State.LOGIN:
                if self._kernel.connections.draining:
                    self._close(replies.DRAINING)
                    return None
                line = self._take_line()
                if line is None:
                    break
                answer = self._answer(line)
                if answer is None:
                    continue
            else:
                answer = self._read(state)
                if answer is None:
                    break
            if not isinstance(answer, Reply):
                return answer
            self._reply(answer)
        else:
            return _let_others_go_first()
        is_closing = self._eof or dialogue.state is State.CLOSING
        if (self._out or is_closing) and not (self._is_corked or self._is_lost):
            self._is_corked = True
            self._kernel.connections.write_soon(self._uncork)
        return None

    def _read(self, state: State) -> Answer:
        """Go on with what is no command; None if the client has to send more, or is to send nothing more."""
        if state is State.DATA or state is State.CHUNK:
            return self._read_in_turn(state) if self._has_much(state) else self._read_octets(state)
        if state is State.TLS:
            self._flush()
            return self._start_tls()
        self.deadline = self._loop.time() + FAREWELL
        return None

    def _has_much(self, state: State) -> bool:
        """Whether so much of a message lies here that others come first, and `_read_octets` takes it away."""
        size, incoming = len(self._buffer), self._dialogue.incoming
        return size > PIECE and (
            state is State.CHUNK or size > IN_MEMORY or bool(incoming and incoming.leaves)
        )

    async def _read_in_turn(self, state: State) -> Reply | None:
        await self._kernel.turns.mine()
        answer = self._read_octets(state)
        return answer if answer is None or isinstance(answer, Reply) else await answer

    def _read_octets(self, state: State) -> Answer:
        if state is State.DATA:
            return self._read_message()
        return bdat.read(self._dialogue, self._buffer, self._finish_message)

    def _answer(self, line: bytes) -> Answer:
        dialogue = self._dialogue
        try:
            if dialogue.state is State.LOGIN:
                return auth.response(dialogue, line)
            verb, _, argument = line.partition(b" ")
            verb = verb.upper()
            command = self.commands.get(verb)
            self._note(verb, argument)
            # First, for nobody looks at the rest of a line that is too long to be kept.
            if len(line) > MAX_LINE and (verb != b"AUTH" or len(line) > MAX_RESPONSE):
                return replies.LINE_TOO_LONG
            if b"\r" in line or b"\n" in line or b"\0" in line:
                return replies.NOT_CRLF
            if command is None:
                return replies.UNKNOWN_COMMAND if line.isascii() else replies.NOT_ASCII
            if verb == b"STARTTLS" and self._buffer and dialogue.offers_tls:
                dialogue.state = State.CLOSING
                return replies.TLS_INJECTION
            answer = command(dialogue, argument.strip())
        except Exception:
            return dialogue.failed("command")
        return answer

    def _read_message(self) -> Awaitable[Reply | None] | None:
        dialogue, buffer = self._dialogue, self._buffer
        incoming = dialogue.incoming
        assert isinstance(incoming, Incoming)
        piece = incoming.take_last(buffer)
        if piece is not None:
            dialogue.state = State.COMMAND
            return self._finish_message(piece)
        piece = incoming.take_piece(buffer, self._kernel.budget.spent)
        return None if piece is None else self._write_piece(incoming, piece)

    async def _finish_message(self, piece: bytes) -> Reply:
        try:
            reply = await self._end_message(piece)
        finally:
            self._hold(0)
        if message_ended(self._dialogue):
            self._reply(reply)
            return replies.TOO_MANY_MESSAGES
        return reply

    def _end_message(self, piece: bytes) -> Awaitable[Reply]:
        return end_of_data(self._dialogue, piece)

    async def _write_piece(self, incoming: Incoming, piece: bytes) -> None:
        await incoming.write(piece)
        self._hold(len(self._buffer))

    async def _start_tls(self) -> None:
        dialogue = self._dialogue
        dialogue.state = State.CLOSING
        try:
            transport = await self._kernel.tls.upgrade(self._transport, self, dialogue.listener)
        except OSError as error:  # what a handshake fails with: SSLError, ConnectionError, TimeoutError
            session = dialogue.session
            why = self._kernel.tls.failed(
                error, dialogue.listener, name=session.listener, peer=session.peer, session=session.id
            )
            dialogue.trace.add("note", "TLS", "failed", detail=why)
            self.connection_lost(error)  # asyncio tells only if the handshake was over
            return
        self._transport = transport
        session = dialogue.session
        session.tls, session.greeting, session.extended = tls_info(transport), None, False
        dialogue.state = State.COMMAND

    # -- small parts ------------------------------------------------------------------------------

    def _reply(self, reply: Reply) -> None:
        dialogue = self._dialogue
        now = perf_counter()
        dialogue.trace.add(
            "command",
            self._verb,
            f"{reply.code} {reply.enhanced}",
            seconds=now - self._asked,
            detail=self._detail,
        )
        self._asked = now  # what follows 354 or 334 belongs to the next reply
        utf8 = dialogue.transaction is not None and dialogue.transaction.envelope.smtputf8
        self._out += encode(reply, utf8=utf8)
        if reply is replies.GO_AHEAD:
            settings, blobs = self._kernel.settings.smtp, self._kernel.services.blobs
            dialogue.incoming = Incoming(blobs, settings.max_size, self._buffer, settings.max_line)
            dialogue.state = State.DATA
        elif reply.code >= 400 and reply.code != 421:
            dialogue.errors += 1
            if dialogue.errors >= self._kernel.settings.smtp.max_errors:
                self._out += encode(replies.TOO_MANY_ERRORS)
                dialogue.state = State.CLOSING
        if len(self._out) > MAX_BUFFER:
            self._flush()

    def _note(self, verb: bytes, argument: bytes) -> None:
        """Remember for the trace what is asked; never what follows the mechanism of AUTH."""
        if self._dialogue.transaction is None:
            self._dialogue.trace.message = None
        shown = argument.split(b" ", 1)[0] if verb == b"AUTH" else argument
        self._asked = perf_counter()
        self._verb = verb[:20].decode("ascii", "backslashreplace")
        self._detail = shown[:256].decode("utf-8", "backslashreplace")

    def _close(self, reply: Reply) -> None:
        self._out += encode(reply)
        self._dialogue.state = State.CLOSING
        self._advance()

    def _end(self) -> None:
        """Nothing more happens for this connection."""
        dialogue, kernel = self._dialogue, self._kernel
        self._hold(0)
        dialogue.end_transaction()
        dialogue.trace.message = None
        pin = kernel.generations.pin()
        pin.notify(session_closed)(session=dialogue.session)
        pin.release()
        dialogue.trace.add("session", dialogue.session.protocol, "closed")
        kernel.sessions.pop(dialogue.session.id, None)
        kernel.write_trace(dialogue.trace)
        kernel.connections.remove(self)
        limits.leave(dialogue)


async def _let_others_go_first() -> None:
    await asyncio.sleep(0)
