"""Bound sockets: made before the hub drops its privileges, or taken from systemd."""

from __future__ import annotations

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
    bound = _passed(listeners, environ)
    passed = {each.name for each in bound}
    for name, listener in listeners.items():
        if name in passed:
            continue
        for host, port in listener.addresses:
            try:
                bound.append(Bound(name, listener, _listen(host, port)))
            except OSError as error:
                for each in bound:
                    each.socket.close()
                raise OSError(
                    error.errno,
                    f"listener '{name}' cannot have {host}:{port}: {os.strerror(error.errno or 0)}",
                ) from error
    return bound


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
