"""One connection as the plugin that speaks its protocol sees it, and as hooks see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from hub.config.tables.listeners import Listener
from hub.hooks.listeners import LINE, MAX_LINE, LineTooLong, Over, SaslExchange, SessionOver
from hub.hooks.session import TlsInfo
from hub.loading.kernel import Kernel
from hub.mail.ident import new_id
from hub.mail.login import Credentials, Identity, LoginFailure
from hub.mail.stash import Stash
from hub.sasl.login import LoginContext, Unavailable, authenticate
from hub.sasl.login import Refused as LoginRefused
from hub.sasl.mechanisms import Exchange, is_exposed, mechanisms, start
from hub.stream.incoming import Incoming
from hub.stream.outgoing import Outgoing
from hub.trace.record import Trace

TRACE_CHUNK: Final = 200
"""A session with more records than this has them written before its end."""


class StreamSession:
    """The `ListenerSession`, from accept to close. upgrade, expect: the connection's, set when it is made.

    upgrade: shakes hands. expect: the session waits for the client from now on, or no more.
    """

    __slots__ = (
        "expect",
        "id",
        "identity",
        "incoming",
        "kernel",
        "listener",
        "local",
        "outgoing",
        "peer",
        "protocol",
        "settings",
        "stash",
        "tls",
        "trace",
        "upgrade",
    )

    def __init__(self, kernel: Kernel, listener: str, settings: Listener) -> None:
        self.id = new_id()
        self.kernel = kernel
        self.listener = listener
        self.settings = settings
        self.protocol = settings.protocol
        self.peer = self.local = ("", 0)
        self.tls: TlsInfo | None = None
        self.identity: Identity | None = None
        self.stash = Stash()
        self.trace = Trace(self.id, listener=listener)
        self.incoming = Incoming()
        self.outgoing = Outgoing()
        self.upgrade: Callable[[], Awaitable[None]] | None = None
        self.expect: Callable[[bool], None] = _expect_nothing

    @property
    def peer_name(self) -> str | None:
        """Nobody says it here."""
        return None

    @property
    def greeting(self) -> str | None:
        """A word of SMTP's."""
        return None

    # -- octets ------------------------------------------------------------------------------------------

    async def readline(self, limit: int = LINE) -> bytes:
        """The next line. LineTooLong, SessionOver."""
        if not 0 < limit <= MAX_LINE:
            raise ValueError(f"readline({limit}): a line has at most {MAX_LINE} octets")
        incoming = self.incoming
        await self._begin()
        try:
            while (line := incoming.take_line(limit)) is None:
                self.outgoing.flush()
                self.expect(True)
                if len(incoming) > limit:
                    await incoming.skip_line()
                    raise LineTooLong(f"the line is longer than {limit} octets")
                await incoming.more()
        finally:
            self.expect(False)
            self.outgoing.begin()
        return line

    async def read(self, limit: int = MAX_LINE) -> bytes:
        """The next octets. SessionOver."""
        await self._begin()
        try:
            while not (octets := self.incoming.take(limit)):
                self.outgoing.flush()
                self.expect(True)
                await self.incoming.more()
        finally:
            self.expect(False)
        return octets

    async def _begin(self) -> None:
        """What was sent is on its way before more is read, so that who reads no answers asks nothing more."""
        await self.outgoing.flow()
        if self.incoming.over is not Over.LEFT:
            self.incoming.check()

    def write(self, octets: bytes) -> None:
        """Send octets, soon."""
        self.outgoing.write(octets)

    async def flow(self) -> None:
        """Send what was written and wait for a slow client. SessionOver."""
        self.outgoing.flush()
        await self.outgoing.flow()

    @property
    def tls_offered(self) -> bool:
        """Whether there is a certificate, and no TLS yet."""
        return self.tls is None and self.settings.tls == "starttls" and self.kernel.tls.ready

    async def start_tls(self, reply: bytes) -> None:
        """Send the reply and shake hands. SessionOver."""
        if not self.tls_offered or self.upgrade is None:
            raise RuntimeError("TLS is not offered on this session: ask `session.tls_offered` first")
        if len(self.incoming):
            raise SessionOver(Over.TLS)
        self.outgoing.write(reply)
        self.outgoing.flush()
        await self.upgrade()

    # -- who is there ------------------------------------------------------------------------------------

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What may be offered now."""
        return mechanisms(self.kernel, self)

    def sasl(self, mechanism: str) -> SaslExchange:
        """Begin a login. LookupError."""
        return _Exchange(self, start(mechanism.upper(), LoginContext(self.kernel, self, self.trace)))

    async def authenticate(self, credentials: Credentials) -> Identity | LoginFailure:
        """Log somebody in by a command of the protocol's own."""
        if is_exposed(self):
            return LoginFailure.EXPOSED
        return await self.conclude(await authenticate(self.kernel, self, self.trace, credentials))

    async def conclude(self, end: Identity | LoginRefused | Unavailable) -> Identity | LoginFailure:
        """A login has ended: who has succeeded is somebody from now on, with an account in the store."""
        if isinstance(end, Identity):
            await self.kernel.services.storage.ensure_account(end.account)
            self.identity = end
            return end
        return LoginFailure.UNAVAILABLE if isinstance(end, Unavailable) else LoginFailure.REFUSED

    def record(self, name: str, outcome: str, *, seconds: float = 0.0, detail: str = "") -> None:
        """Note a command."""
        self.trace.add("command", name, outcome, seconds=seconds, detail=detail)
        if len(self.trace) > TRACE_CHUNK:
            self.kernel.write_trace(self.trace)


class _Exchange:
    """The core's exchange, whose end the session is told of."""

    __slots__ = ("_exchange", "_session")

    def __init__(self, session: StreamSession, exchange: Exchange) -> None:
        self._session = session
        self._exchange = exchange

    async def step(self, response: bytes | None) -> bytes | Identity | LoginFailure:
        """The next message of the exchange, or its end."""
        step = await self._exchange.step(response)
        return step if isinstance(step, bytes) else await self._session.conclude(step)


def _expect_nothing(waits: bool) -> None:
    """Before there is a connection."""
