"""Bound sockets: made before the hub drops its privileges, or taken from systemd."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from hub.config.model import Listener

FIRST_PASSED: Final = 3
"""The first file descriptor that systemd passes (sd_listen_fds(3))."""
BACKLOG: Final = 4096


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener and one of its sockets, listening."""

    name: str
    listener: Listener
    socket: socket.socket


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
    bound = [list(passed) for _ in range(workers)]
    names = {each.name for each in passed}
    for name, listener in listeners.items():
        if name in names:
            continue
        for host, port in listener.addresses:
            try:
                for own, listening in zip(bound, _listen_for(workers, host, port), strict=True):
                    own.append(Bound(name, listener, listening))
            except OSError as error:
                for each in itertools.chain(*bound):
                    each.socket.close()
                raise OSError(
                    error.errno,
                    f"listener '{name}' cannot have {host}:{port}: {os.strerror(error.errno or 0)}",
                ) from error
    return bound


def _listen_for(workers: int, host: str, port: int) -> list[socket.socket]:
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
