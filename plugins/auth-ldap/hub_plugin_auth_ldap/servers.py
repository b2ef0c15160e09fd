"""All servers: connections that are used again, and the next server when one does not answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar
from urllib.parse import urlsplit

from hub import Clock, DirectoryUnavailable, Plugin
from hub_plugin_auth_ldap.connection import Connection, LdapError, connect
from hub_plugin_auth_ldap.settings import DEFAULT_PORTS, Settings

T = TypeVar("T")

AVOIDED: Final = 30.0
"""Seconds for which a server that failed is asked only if no other answers."""
IDLE: Final = 60.0
"""Seconds after which a connection that nobody uses is closed."""

Open: TypeAlias = Callable[[], Awaitable[Connection]]


class Pool:
    """At most `size` connections at once, each used by one question at a time, the last one first."""

    def __init__(self, open_: Open, size: int, clock: Clock) -> None:
        self._open = open_
        self._clock = clock
        self._slots = asyncio.Semaphore(size)
        self._idle: list[tuple[Connection, float]] = []
        self._closed = False

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Its result. A connection that the server has closed meanwhile is replaced by a new one."""
        async with self._slots:
            while True:
                connection = self._take()
                reused = connection is not None
                if connection is None:
                    connection = await self._open()
                try:
                    answer = await work(connection)
                except ConnectionError:
                    connection.abort()
                    if not reused:
                        raise
                except BaseException:
                    connection.abort()
                    raise
                else:
                    self._put(connection)
                    return answer

    def sweep(self) -> None:
        """Close what nobody has used for a while."""
        now = self._clock.monotonic()
        kept = [each for each in self._idle if each[1] + IDLE > now and each[0].is_open]
        for connection, since in self._idle:
            if (connection, since) not in kept:
                connection.close()
        self._idle = kept

    def close(self) -> None:
        """Close all; those at work when they are done."""
        self._closed = True
        while self._idle:
            self._idle.pop()[0].close()

    def _take(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    def _put(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._idle.append((connection, self._clock.monotonic()))


class Server:
    """One of them. lookups: connections bound as who looks entries up; logins: bound as whoever came last."""

    def __init__(self, url: str, settings: Settings, context: ssl.SSLContext, clock: Clock) -> None:
        parts = urlsplit(url)
        self.name = f"ldap {parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
        self.avoided_until = 0.0
        self.open: set[Connection] = set()
        self._url = url
        self._settings = settings
        self._context = context
        self.lookups = Pool(self._bound, settings.connections, clock)
        self.logins = Pool(self._connect, settings.connections, clock)

    async def _connect(self) -> Connection:
        return await connect(self._url, self._context, self.open, starttls=self._settings.starttls)

    async def _bound(self) -> Connection:
        connection = await self._connect()
        dn, password = self._settings.bind_dn, self._settings.bind_password
        if password is None:
            return connection
        try:
            refused = await connection.bind(dn, password.reveal())
            if refused is not None:
                raise LdapError(f"the server does not let {dn} in: {refused}")
        except BaseException:
            connection.abort()
            raise
        return connection


class Servers:
    """Asks one server after the other until one answers; entered with the scope of the plugin."""

    def __init__(self, plugin: Plugin, settings: Settings, context: ssl.SSLContext) -> None:
        self._plugin = plugin
        self._timeout = settings.timeout
        self._servers = [Server(url, settings, context, plugin.clock) for url in settings.servers]

    async def __aenter__(self) -> Servers:
        self._plugin.every(IDLE / 2, self._sweep)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for server in self._servers:
            server.lookups.close()
            server.logins.close()
        connections = [each for server in self._servers for each in server.open]
        await asyncio.gather(*(each.wait_closed() for each in connections))

    async def look_up(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Let work ask as who looks entries up. DirectoryUnavailable if no server answers."""
        return await self._ask(lambda server: server.lookups.run(work))

    async def log_in(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Let work ask as whoever it binds as. DirectoryUnavailable if no server answers."""
        return await self._ask(lambda server: server.logins.run(work))

    async def _ask(self, ask: Callable[[Server], Awaitable[T]]) -> T:
        troubles = []
        now = self._plugin.clock.monotonic()
        for server in sorted(self._servers, key=lambda each: each.avoided_until > now):
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await ask(server)
            except TimeoutError:
                trouble = f"no answer within {self._timeout:g} s"
            except (OSError, LdapError) as error:
                trouble = str(error) or type(error).__name__
            else:
                server.avoided_until = 0.0
                self._plugin.dependency(server.name)
                return answer
            server.avoided_until = self._plugin.clock.monotonic() + AVOIDED
            self._plugin.dependency(server.name, trouble)
            troubles.append(f"{server.name}: {trouble}")
        raise DirectoryUnavailable("; ".join(troubles))

    async def _sweep(self) -> None:
        for server in self._servers:
            server.lookups.sweep()
            server.logins.sweep()


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Certificates are checked, by the hub's own list of authorities or the system's, and so are host names.

    ValueError if the file cannot be read or holds none.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        said = error.strerror or str(error)
        raise ValueError(f"the certificates in ca_file {settings.ca_file} cannot be used: {said}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
