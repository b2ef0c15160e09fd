"""Protocols that plugins speak, on the hub's own listeners."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from hub.config.tables.sessions import SessionLimits
from hub.config.tables.types import CORE_PROTOCOLS
from hub.hooks.markers import FIRST, GATHER, SKIP, hookspec
from hub.hooks.plugin import Plugin
from hub.hooks.session import Session
from hub.mail.login import Credentials, Identity, LoginFailure
from hub.mail.verdict import Verdict

MAX_LINE: Final = 64 << 10
"""The longest line that `readline` can be asked for, in octets."""
LINE: Final = 8 << 10
"""The longest line where nothing else is said, in octets."""
_PROTOCOL: Final = re.compile(r"[a-z][a-z0-9-]*(?<!s)")


class Over(enum.Enum):
    """Why the hub ends a session."""

    LEFT = "the client has left"
    SILENT = "the client took too long"
    STOPPING = "the hub stops"
    FULL = "there are too many sessions"
    UNWANTED = "a plugin refuses the client"
    LATER = "a plugin refuses the client for now"
    TOO_LONG = "a line is too long, and the plugin has no answer to that"
    BROKEN = "the plugin has failed"
    TLS = "the handshake failed, or octets came before it that it would have had to protect"


class SessionOver(Exception):
    """The session ends, and not because its plugin wants it. One that catches it may write, but not read."""

    def __init__(self, why: Over) -> None:
        super().__init__(why.value)
        self.why = why


class LineTooLong(ValueError):
    """A line is longer than was asked for; it is skipped, and the session goes on."""


class SaslExchange(Protocol):
    """One login under way (RFC 4422): octets, without the base64 that a protocol has around them."""

    async def step(self, response: bytes | None) -> bytes | Identity | LoginFailure:
        """A challenge for the client, or the end.

        response: what the client sent, decoded; None in the first step without an initial response.
        """


class ListenerSession(Session, Protocol):
    """A connection to a listener whose protocol a plugin speaks; the hub closes it when `serve` returns."""

    async def readline(self, limit: int = LINE) -> bytes:
        """The next line, without its CRLF or LF. LineTooLong past `limit` octets, SessionOver.

        What was written so far is sent before it waits. The time for a line is `ListenerKind.timeout`, until
        it is there as a whole. limit: at most 65536.
        """

    async def read(self, limit: int = MAX_LINE) -> bytes:
        """The next octets, at least one, at most `limit`. SessionOver."""

    def write(self, octets: bytes) -> None:
        """Send octets, soon."""

    async def flow(self) -> None:
        """Send what was written and wait for a client that reads slowly; between the pieces of a long answer.

        SessionOver.
        """

    @property
    def tls_offered(self) -> bool:
        """Whether `start_tls` would begin a handshake."""

    async def start_tls(self, reply: bytes) -> None:
        """Send the reply and shake hands; afterwards `tls` says what was agreed on. SessionOver.

        What came behind the command is never read as if TLS had protected it: the session ends (RFC 2595
        §4). RuntimeError where `tls_offered` is false.
        """

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms that may be offered now: none in the clear, unless on this machine."""

    def sasl(self, mechanism: str) -> SaslExchange:
        """Begin a login; who succeeds is `identity` from then on. LookupError for what is not offered."""

    async def authenticate(self, credentials: Credentials) -> Identity | LoginFailure:
        """Log somebody in as SASL would, where a protocol has a command of its own for it (USER and PASS)."""

    def record(self, name: str, outcome: str, *, seconds: float = 0.0, detail: str = "") -> None:
        """Note a command and its outcome in the session's trace, and so in metrics.

        outcome: as the protocol says it, such as `+OK`. detail: why, where it failed.
        """


Serve: TypeAlias = Callable[..., Awaitable[None]]
"""Speaks a protocol on one connection, from the greeting to the end; names what it needs of `plugin` and
`session`."""

Farewell: TypeAlias = Callable[[Over, str], bytes]
"""What a client is told last where the hub ends its session: why, and a sentence for people; may be empty."""


def plain_farewell(why: Over, text: str) -> bytes:
    """The sentence on a line."""
    return text.encode() + b"\r\n"


ANYBODY: Final = SessionLimits()
"""How many sessions there may be where nothing else is said."""


@dataclass(frozen=True, slots=True)
class ListenerKind:
    """A protocol that a plugin speaks.

    protocol: its name in `[listeners.<name>]`, such as `pop3`; with an `s` behind it the listener begins with
    TLS. serve: an `async def` that speaks it. port, tls_port: where it is usual, 0 for nowhere. timeout:
    seconds for a line, login_timeout: seconds until somebody has logged in, None without a login. limits: how
    many sessions there may be. farewell: how a client is told that the hub ends its session. ValueError.
    """

    protocol: str
    serve: Serve
    port: int
    tls_port: int = 0
    timeout: float = 300.0
    login_timeout: float | None = None
    limits: SessionLimits = ANYBODY
    farewell: Farewell = plain_farewell

    def __post_init__(self) -> None:
        if not _PROTOCOL.fullmatch(self.protocol):
            raise ValueError(
                f"ListenerKind({self.protocol!r}): a protocol is lower case, digits and hyphens, and does "
                "not end in s, which stands for TLS from the first octet on"
            )
        if self.protocol in CORE_PROTOCOLS:
            raise ValueError(f"ListenerKind({self.protocol!r}): the hub itself speaks {self.protocol}")
        if not self.timeout > 0 or (self.login_timeout is not None and not self.login_timeout > 0):
            raise ValueError(f"ListenerKind({self.protocol!r}): a timeout leaves no time")


@hookspec(GATHER)
def provide_listeners(plugin: Plugin) -> list[ListenerKind]:  # type: ignore[empty-body]
    """Say which protocols the plugin speaks, so that listeners may have them.

    A plain function, called each time a set of plugins is put together, before `plugin_start`: it has the
    settings, and nothing in the stash. Two plugins with the same protocol are an error that names both, and
    so is a listener whose protocol nobody speaks. Sockets, TLS, the PROXY protocol, limits and traces are the
    hub's. A session goes on with the code that it began with, however often the plugin is replaced meanwhile.

        async def daytime(plugin, session):
            session.write(time.ctime(plugin.clock.time()).encode() + b"\\r\\n")

        @hookimpl
        def provide_listeners():
            return [ListenerKind("daytime", daytime, port=13)]
    """


@hookspec(FIRST, on_failure=SKIP, timeout=10)
async def listener_connect(plugin: Plugin, session: Session) -> Verdict | None:
    """A client has connected whose protocol a plugin speaks, and was not greeted yet.

    Reject and Defer end the session with their text, said as the protocol says it. If nobody answers, the
    session begins. SMTP and IMAP have hooks of their own: `smtp_connect`, `imap_connect`.
    """
