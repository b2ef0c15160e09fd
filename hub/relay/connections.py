"""Connections to other servers: made where there is room, kept for a while, used again.

hops ──► idle already? ──► those that may be there, in their order ──► room at the server and at a source?
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.relay.client import Client
from hub.relay.connecting import Connecting
from hub.relay.hops import Hop
from hub.relay.limits import Gate, limit_of
from hub.relay.sources import Source, Sources
from hub.relay.unreachable import Unreachable
from hub.relay.wire import Broken, Unreached
from hub.services.queue import QueueRow

FULL: Final = 1.0
"""Seconds after which to ask again for a server that has no room."""
PATIENT: Final = 5.0
"""Seconds that are waited with an open connection for a rate to let the next message go."""
REMEMBERED: Final = 2000
"""Servers whose rates are remembered."""

_Key: TypeAlias = tuple[frozenset[Hop], frozenset[str | None]]

_log = get_logger(area="relay")


class Busy(Exception):
    """There is no room for now, which is nobody's fault. seconds: after which to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no room for {seconds:.0f} s")
        self.seconds = seconds


@dataclass(eq=False, slots=True)
class Connection:
    """A greeted client that counts at its server and its source until it is closed. is_used: it was idle."""

    client: Client
    source: Source
    host: Gate
    key: _Key
    is_used: bool = False
    timer: asyncio.TimerHandle | None = None


class Connections:
    """Those of one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._settings = kernel.settings.relay
        self._sources = self._make_sources()
        self._connecting = Connecting(kernel)
        self._unreachable = Unreachable()
        self._hosts: dict[str, Gate] = {}
        self._idle: list[Connection] = []
        self._open = 0
        self._leaving: set[asyncio.Task[None]] = set()

    async def get(self, row: QueueRow, hops: Sequence[Hop]) -> Connection:
        """One to any of them. Broken if nobody takes one, Busy if there is no room."""
        self._take_settings()
        sources, domain = self._sources.of(row.reverse_path), row.recipient.ascii_domain.lower()
        key = (frozenset(hops), frozenset(source.address for source in sources))
        if (idle := self._take_idle(key)) is not None:
            return idle
        trouble: Broken | Busy = Unreached("none of our addresses can reach it")
        for hop in self._unreachable.order(hops, self._now()):
            source = self._sources.next(sources, hop.address)
            if source is None:
                continue
            host = self._host(hop)
            self._make_room(host)
            if host.is_full or source.gate.is_full:
                trouble = trouble if isinstance(trouble, Busy) else Busy(FULL)
                continue
            try:
                return await self._make(hop, source, host, key, domain)
            except Broken as broken:
                trouble = trouble if isinstance(trouble, Busy) else broken
        raise trouble

    async def turn(self, connection: Connection, destination: str) -> None:
        """Wait until the rates let a message go over it, and count that. Busy if that takes long.

        destination: whose own rate was kept already, which is that of its server if they have one name.
        """
        host = connection.client.hop.host
        is_same = destination in (host, f"{host}:{connection.client.hop.port}")
        gates = (connection.source.gate,) if is_same else (connection.host, connection.source.gate)
        while (wait := max(gate.wait(self._now()) for gate in gates)) > 0:
            if wait > PATIENT:
                raise Busy(wait)
            await self._kernel.services.clock.sleep(wait)
        for gate in gates:
            gate.count(self._now())

    def keep(self, connection: Connection) -> None:
        """Done with for now."""
        settings = self._settings
        if connection.client.used >= settings.per_connection or settings.idle <= 0:
            self._leave(connection)
            return
        connection.is_used = True
        connection.timer = asyncio.get_running_loop().call_later(settings.idle, self._retire, connection)
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """It is of no use any more."""
        connection.client.abort()
        self._uncount(connection.source, connection.host)

    async def close(self) -> None:
        """Hang up on all that are idle."""
        for connection in self._idle:
            if connection.timer is not None:
                connection.timer.cancel()
            self.drop(connection)
        self._idle.clear()
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _now(self) -> float:
        return self._kernel.services.clock.monotonic()

    def _take_settings(self) -> None:
        """The configuration may have been reloaded."""
        settings = self._kernel.settings.relay
        if settings is self._settings:
            return
        known, self._settings = self._settings, settings
        if settings.sources != known.sources:
            self._sources = self._make_sources()
        for host, gate in self._hosts.items():
            fresh = self._gate(host)
            gate.most, gate.per_minute = fresh.most, fresh.per_minute

    def _make_sources(self) -> Sources:
        kernel = self._kernel
        return Sources(kernel.settings.hub.hostname, self._settings.sources, kernel.commons.traffic)

    # -- those that are open

    def _take_idle(self, key: _Key) -> Connection | None:
        for connection in reversed(self._idle):
            if connection.key == key:
                self._idle.remove(connection)
                if connection.timer is not None:
                    connection.timer.cancel()
                if connection.client.is_open:
                    return connection
                self.drop(connection)
                return self._take_idle(key)
        return None

    def _retire(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
            self._leave(connection)

    def _make_room(self, host: Gate) -> None:
        """Idle ones give way to those that are needed."""
        is_full = self._open >= self._settings.max_connections
        for connection in self._idle:
            if is_full or (host.is_full and connection.host is host):
                self._retire(connection)
                return

    def _leave(self, connection: Connection) -> None:
        """Say goodbye; it counts no more, for that does not take long."""
        self._uncount(connection.source, connection.host)
        task = asyncio.get_running_loop().create_task(connection.client.quit())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _count(self, source: Source, host: Gate) -> None:
        self._open += 1
        host.enter()
        source.gate.enter()

    def _uncount(self, source: Source, host: Gate) -> None:
        self._open -= 1
        host.leave()
        source.gate.leave()

    # -- one more

    def _host(self, hop: Hop) -> Gate:
        if hop.host not in self._hosts:
            if len(self._hosts) >= REMEMBERED:
                self._hosts = {host: gate for host, gate in self._hosts.items() if gate.open}
            self._hosts[hop.host] = self._gate(hop.host)
        return self._hosts[hop.host]

    def _gate(self, host: str) -> Gate:
        limit = limit_of(self._settings.limits, host)
        most = limit.connections if limit is not None else None
        per_minute = limit.per_minute if limit is not None else None
        traffic = self._kernel.commons.traffic
        return Gate(traffic, f"at {host}", most or self._settings.per_host, per_minute)

    async def _make(self, hop: Hop, source: Source, host: Gate, key: _Key, domain: str) -> Connection:
        self._count(source, host)
        try:
            client = await self._connecting.connect(hop, source, domain)
        except BaseException as error:
            self._uncount(source, host)
            if isinstance(error, Unreached):
                self._unreachable.mark(hop, self._now(), self._settings.unreachable)
            raise
        self._unreachable.clear(hop)
        return Connection(client, source, host, key)
