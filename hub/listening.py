"""Bound sockets, made before the hub drops its privileges or taken from systemd, and who serves them."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from hub.config.tables.listeners import Listener
from hub.config.units import is_unix, shown

FIRST_PASSED: Final = 3
"""The first file descriptor that systemd passes (sd_listen_fds(3))."""
BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener and one of its sockets, listening.

    asked: the host and port that it stands for; None if systemd passed it in place of all of them.
    """

    name: str
    listener: Listener
    socket: socket.socket
    asked: tuple[str, int] | None = None

    @property
    def shown(self) -> str:
        """Where it listens, in words."""
        found = self.socket.getsockname()
        return shown(found, 0) if isinstance(found, str) else shown(*found[:2])


class NoSocketError(OSError):
    """An address cannot be had. index: of it in the listener's `bind`."""

    def __init__(self, error: OSError, name: str, index: int, asked: tuple[str, int]) -> None:
        why = os.strerror(error.errno) if error.errno else str(error)
        super().__init__(error.errno, f"listener '{name}' cannot have {shown(*asked)}: {why}")
        self.name = name
        self.index = index
        self.why = why


Open: TypeAlias = Callable[[str, tuple[str, int]], Sequence[socket.socket]]
"""Gives a listener's sockets for one of its addresses, one for each worker. OSError."""


def bind(listeners: Mapping[str, Listener], environ: MutableMapping[str, str]) -> list[Bound]:
    """A socket for every address of every listener.

    systemd's sockets come first: one whose FileDescriptorName is a listener's name takes the place of all
    that listener's addresses. OSError names the listener and the address.
    """
    return bind_for(1, listeners, environ)[0]


def bind_for(
    workers: int, listeners: Mapping[str, Listener], environ: MutableMapping[str, str]
) -> list[list[Bound]]:
    """`bind` for each of the workers: the kernel spreads clients over their sockets; systemd's are shared."""
    passed = _passed(listeners, environ)
    return rebind([passed] * workers, listeners)


def rebind(
    crews: Sequence[Sequence[Bound]], listeners: Mapping[str, Listener], opener: Open | None = None
) -> list[list[Bound]]:
    """The same workers' sockets for other listeners: those that fit are taken over, the rest are opened.

    Nothing is closed but, on an OSError, what was opened here. opener: in place of opening them ourselves.
    """
    opener = opener or (lambda name, asked: _listen_for(len(crews), *asked))
    kept = [
        [
            replace(each, listener=listeners[each.name])
            for each in crew
            if not each.asked and each.name in listeners
        ]
        for crew in crews
    ]
    passed = {each.name for crew in kept for each in crew}
    left = [[each for each in crew if each.asked] for crew in crews]
    opened: list[socket.socket] = []
    for name, listener in listeners.items():
        for index, asked in enumerate(listener.addresses if name not in passed else ()):
            sockets: Sequence[socket.socket] = _take(left, name, asked)
            if not sockets:
                try:
                    sockets = opener(name, asked)
                except OSError as error:
                    for each in opened:
                        each.close()
                    raise NoSocketError(error, name, index, asked) from error
                opened += sockets
            for own, taken in zip(kept, sockets, strict=True):
                own.append(Bound(name, listener, taken, asked))
    return kept


def _take(left: Sequence[list[Bound]], name: str, asked: tuple[str, int]) -> list[socket.socket]:
    """One socket of the address out of each worker's, if they have one; port 0 is each name's own."""
    anyone = asked[1] or is_unix(asked[0])
    found = [
        next((each for each in own if each.asked == asked and (anyone or each.name == name)), None)
        for own in left
    ]
    for own, bound in zip(left, found, strict=True):
        if bound is not None:
            own.remove(bound)
    return [bound.socket for bound in found if bound is not None]


def close_all_but(kept: Collection[Bound], bound: Collection[Bound]) -> None:
    """Close the sockets that are not among the kept ones."""
    used = {each.socket for each in kept}
    for each in bound:
        if each.socket not in used:
            each.socket.close()


def _listen_for(workers: int, host: str, port: int) -> list[socket.socket]:
    if is_unix(host):
        listening = _listen_unix(host)
        return [listening, *(listening.dup() for _ in range(workers - 1))]
    if workers == 1:
        return [_listen(host, port)]
    # Whoever shares its port does not notice that somebody else has it; and port 0 must become one port.
    with _listen(host, port) as alone:
        port = alone.getsockname()[1]
    sockets: list[socket.socket] = []
    try:
        for _ in range(workers):
            sockets.append(_listen(host, port, shared=True))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _listen_unix(path: str) -> socket.socket:
    """A socket for its owner and group; what a hub that has ended left at the path is removed."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        if stat.S_ISSOCK(_mode(path)) and not _is_served(path):
            os.unlink(path)
        listening.bind(path)
        os.chmod(path, 0o660)  # nobody can connect before it listens
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return 0


def _is_served(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            pass  # its backlog is full
    return True


def _listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def _passed(listeners: Mapping[str, Listener], environ: MutableMapping[str, str]) -> list[Bound]:
    """Sockets from systemd, by name; the variables are removed, so that no child takes them for its own."""
    count, pid = environ.pop("LISTEN_FDS", "0"), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    bound: list[Bound] = []
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        if name not in listeners:
            raise OSError(
                f"systemd passes a socket named '{name}', which is no listener; "
                f"the listeners are {', '.join(sorted(listeners))} (FileDescriptorName= names it)"
            )
        taken = socket.socket(fileno=FIRST_PASSED + index)
        taken.setblocking(False)
        bound.append(Bound(name, listeners[name], taken))
    return bound


class Server(Protocol):
    """Takes the connections of one socket, which it owns."""

    def close(self) -> None:
        """Take none any more; those that are open go on."""


class Serving:
    """Who serves which socket of one process; both may be exchanged while connections go on.

    serve: gives a server that takes connections from now on. OSError.
    """

    def __init__(self, serve: Callable[[Bound], Awaitable[Server]]) -> None:
        self._serve = serve
        self._servers: dict[Bound, Server] = {}

    @property
    def bound(self) -> tuple[Bound, ...]:
        """What is served."""
        return tuple(self._servers)

    async def swap(self, bound: Iterable[Bound]) -> None:
        """Serve these sockets and no others from now on. OSError, with everything as it was."""
        old, new = self._servers, dict[Bound, Server]()
        try:
            for each in bound:
                # A server closes its socket; ours must outlive it, for the next one to take over.
                new[each] = old.get(each) or await self._serve(replace(each, socket=each.socket.dup()))
        except BaseException:
            for each, server in new.items():
                if each not in old:
                    server.close()
            raise
        self._servers = new
        for each, server in old.items():
            if each not in new:
                server.close()
        close_all_but(new, old)

    def close(self) -> None:
        """Take no new connections."""
        for server in self._servers.values():
            server.close()
        close_all_but((), self._servers)
