"""Accepts where something comes before the protocol: a header of the PROXY protocol, a TLS handshake.

    socket ──► whose is it? ──► PROXY header ──► room for one more? ──► TLS handshake ──► the protocol

A task for each connection until its protocol begins, and none after that. The header is read from the bare
socket to its last octet, so that a handshake may follow it in the same packet. Other listeners are asyncio's.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from hub.accepting.arrival import Arrival, Make
from hub.accepting.header import BadHeader, parse, wanted
from hub.config.networks import LOOPBACK, Networks
from hub.config.tables.sessions import SessionLimits
from hub.listening import BACKLOG, Bound
from hub.loading.census import HTTP, IMAP, SMTP, Family
from hub.loading.kernel import Kernel
from hub.log import get_logger

HEADER_TIMEOUT: Final = 10.0
"""Seconds for a header: a lost packet is sent again within three (proxy-protocol.txt section 2)."""
AT_ONCE: Final = 100
"""Connections accepted in one turn of the loop."""
RETRY: Final = 1.0
"""Seconds without accepting when the system has no descriptor to spare."""
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_FAMILIES: Final[Mapping[str, int]] = MappingProxyType(
    {"smtp": SMTP, "submission": SMTP, "lmtp": SMTP, "imap": IMAP, "http": HTTP}
)

_log = get_logger(area="listening")


async def accept(kernel: Kernel, bound: Bound, make: Make) -> asyncio.Server | ArrivalServer:
    """Serve a socket with what `make` makes, until the result is closed."""
    if bound.listener.is_implicit or bound.listener.proxy_protocol:
        server = ArrivalServer(kernel, bound, make)
        server.start()
        return server
    loop = asyncio.get_running_loop()
    if bound.socket.family is socket.AF_UNIX:
        return await loop.create_unix_server(make, sock=bound.socket, backlog=BACKLOG)
    return await loop.create_server(make, sock=bound.socket, backlog=BACKLOG)


class ArrivalServer:
    """One listening socket, from `start` to `close`; TLS is what the kernel has when a client arrives."""

    def __init__(self, kernel: Kernel, bound: Bound, make: Make) -> None:
        self._kernel = kernel
        self._name = bound.name
        self._socket = bound.socket
        self._make = make
        self._listener = bound.listener
        self._family: Family = _FAMILIES.get(bound.listener.base, bound.listener.base)
        self._proxies = Networks(bound.listener.proxy_protocol)
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._open = True

    def start(self) -> None:
        """Accept from now on."""
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Accept nobody any more; whoever has not arrived yet is turned away."""
        if not self._open:
            return
        self._open = False
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._arriving:
            task.cancel()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                _log.error("no connection can be accepted", listener=self._name, reason=str(error))
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(RETRY, self.start)
                return
            client.setblocking(False)
            task = self._loop.create_task(self._arrive(client, _end(address)))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _arrive(self, client: socket.socket, peer: tuple[str, int]) -> None:
        begun = False
        try:
            arrival = await self._identified(client, peer)
            begun = arrival is not None and await self._begin(client, arrival)
        except OSError:
            pass  # it has left
        finally:
            if not begun:
                client.close()

    async def _identified(self, client: socket.socket, peer: tuple[str, int]) -> Arrival | None:
        """Who the client is; None, with a line in the log, if its proxy does not say it as it has to."""
        direct = Arrival(peer, _end(client.getsockname()), None, None)
        if peer[0] not in self._proxies:
            return direct
        header = b""
        try:
            async with asyncio.timeout(HEADER_TIMEOUT):
                while missing := wanted(header):
                    piece = await self._loop.sock_recv(client, missing)
                    if not piece:
                        raise BadHeader("the connection ended before it was whole")
                    header += piece
            ends = parse(header)
        except (BadHeader, TimeoutError) as error:
            reason = str(error) or f"it did not come within {HEADER_TIMEOUT:g} seconds"
            _log.warning("bad PROXY header", listener=self._name, proxy=peer[0], reason=reason)
            return None
        if ends is None or (ends.peer[0] in LOOPBACK and peer[0] not in LOOPBACK):
            return direct  # who is on the proxy's machine is the proxy's, and not on ours
        return Arrival(ends.peer, ends.local, peer, None)

    async def _begin(self, client: socket.socket, arrival: Arrival) -> bool:
        """Shake hands if that comes first, and let the protocol begin; whether it has."""
        if not self._listener.is_implicit:
            await self._loop.connect_accepted_socket(partial(self._make, arrival), client)
            return True
        census = self._kernel.commons.census
        cell = census.enter(self._family, arrival.peer[0], self._limits())
        if not isinstance(cell, int):
            return False  # before a handshake there is no way to say why, and it is the costly part
        arrival = Arrival(arrival.peer, arrival.local, arrival.via, cell)
        begun = False
        try:
            await self._kernel.tls.accept(client, partial(self._make, arrival), self._listener)
            begun = True
        except OSError as error:
            self._kernel.tls.failed(error, self._listener, name=self._name, peer=arrival.peer)
        finally:
            if not begun:
                census.leave(self._family, cell)
        return begun

    def _limits(self) -> SessionLimits:
        settings = self._kernel.settings
        if isinstance(self._family, int):
            return {SMTP: settings.smtp, IMAP: settings.imap, HTTP: settings.http}[self._family]
        speaker = self._kernel.generations.current.speakers.get(self._family)
        return SessionLimits() if speaker is None else speaker.kind.limits


def _end(address: object) -> tuple[str, int]:
    """Address and port of one end; a Unix socket's are this machine's."""
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else ("127.0.0.1", 0)
