"""An engine on a port of its own, and clients that say what they were shown."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

import pytest

from hub.config.tables.listeners import Listener
from hub.config.tables.tls import CertificateTable, TlsTable
from hub.hooks.session import TlsInfo
from hub.tls.certificates import Certificates, load_certificates
from hub.tls.engine import Engine
from hub.tls.info import tls_info
from hub.tls.tickets import Tickets
from tests.tls.authority import Authority, Issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority in the test's folder."""
    return Authority(tmp_path)


def table(folder: Path, *issued: Issued) -> TlsTable:
    """A [tls] table with these certificates, the first as the default."""
    files = [each.write(folder, f"pair{number}") for number, each in enumerate(issued)]
    more = tuple(CertificateTable(certificate=chain, key=key) for chain, key in files[1:])
    first = files[0] if files else (None, None)
    return TlsTable(certificate=first[0], key=first[1], certificates=more)


def engine_of(folder: Path, settings: TlsTable, tickets: Tickets | None = None) -> Engine:
    """An engine that serves what the table says and what lies in the folder."""
    engine = Engine(folder, tickets or Tickets())
    engine.take(load_certificates(settings, folder, Certificates()))
    return engine


@dataclass(frozen=True, slots=True)
class Shown:
    """What a client has seen. alpn: the protocol that was agreed on."""

    certificate: bytes | None
    alpn: str | None
    version: str | None
    reused: bool | None


class Echo(asyncio.Protocol):
    """Sends back what it gets. seen: what was agreed on with each client so far."""

    seen: ClassVar[list[TlsInfo | None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self.seen.append(tls_info(transport))
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none of asyncio's

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


@asynccontextmanager
async def serving(engine: Engine, protocol: str = "imaps") -> AsyncIterator[int]:
    """The engine on a port of 127.0.0.1, as a listener of that protocol uses it."""
    listener = Listener.model_validate({"protocol": protocol, "bind": ["127.0.0.1:0"]})
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=engine.context(listener))
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def trusting(authority: Authority) -> ssl.SSLContext:
    """A client that trusts the authority alone, and checks no name."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    return context


async def shown(
    port: int, name: str | None, *alpn: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Shown:
    """What a client is shown that asks for a name. ssl.SSLError."""
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return await asyncio.to_thread(partial(_shown, port, name, context, session))


def _shown(port: int, name: str | None, context: ssl.SSLContext, session: ssl.SSLSession | None) -> Shown:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as client,
    ):
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        return Shown(
            client.getpeercert(binary_form=True),
            client.selected_alpn_protocol(),
            client.version(),
            client.session_reused,
        )
