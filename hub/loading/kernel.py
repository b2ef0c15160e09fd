"""What a protocol adapter needs of the hub, in one place."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hub.config.model import HubSettings
from hub.config.tables.listeners import Listener
from hub.dispatch.judging import Judging
from hub.loading.budget import Budget
from hub.loading.commons import Commons
from hub.loading.connections import Connections
from hub.loading.generation import Generations
from hub.loading.turns import Turns
from hub.loading.wanted import Wanted
from hub.services.chosen import Services
from hub.trace.record import Trace


class ServerTls(Protocol):
    """The server's side of TLS."""

    @property
    def ready(self) -> bool:
        """Whether there is a certificate, so that TLS can be offered."""

    async def accept(
        self, client: socket.socket, make: Callable[[], asyncio.BaseProtocol], listener: Listener
    ) -> None:
        """Shake hands before anything else. OSError."""

    async def upgrade(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, listener: Listener
    ) -> asyncio.Transport:
        """Shake hands on a connection that began in the clear. OSError."""

    def failed(
        self, error: OSError, listener: Listener, *, name: str, peer: tuple[str, int], session: str = ""
    ) -> str:
        """Why the handshake that this task has begun failed, in a sentence. name: of the listener."""


@dataclass(slots=True)
class Kernel:
    """Made once by the app and shared by all connections; a reload replaces what is in it.

    tls: shakes hands, for STARTTLS and implicit TLS. write_trace: takes the records of a session that has
    ended. sessions: id → trace of the connections that are open. connections: the protocols behind them,
    which drain together. budget: the octets of messages on their way in. commons: what is counted
    together with other workers. turns: whose large message goes on next. judging: where is written down whose
    message is being judged. shared: what the sessions of a protocol share, by its name. wanted: messages
    whose summaries were missed.
    """

    settings: HubSettings
    generations: Generations
    services: Services
    tls: ServerTls
    write_trace: Callable[[Trace], None]
    sessions: dict[str, Trace] = field(default_factory=dict)
    connections: Connections = field(default_factory=Connections)
    budget: Budget = field(default_factory=Budget)
    commons: Commons = field(default_factory=Commons)
    turns: Turns = field(default_factory=Turns)
    judging: Judging = field(default_factory=Judging)
    shared: dict[str, object] = field(default_factory=dict)
    wanted: Wanted = field(default_factory=Wanted)
