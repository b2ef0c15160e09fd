"""Ports for programs that a test starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import Final

LOWEST: Final = 10_000
HIGHEST: Final = 32_000


def free_port() -> int:
    """One of 127.0.0.1 that nobody uses now, neither by TCP nor by UDP.

    It is one of those below the ports that systems give to clients, so nobody is given it meanwhile. What
    seeds Python's random numbers, as hypothesis does, has no part in it: processes would find the same ones.
    """
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with (
            socket.socket() as stream,
            socket.socket(type=socket.SOCK_DGRAM) as datagram,
            suppress(OSError),
        ):
            stream.bind(("127.0.0.1", port))
            datagram.bind(("127.0.0.1", port))
            return port


def free_ports(count: int) -> tuple[int, ...]:
    """So many of them, each another."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return tuple(found)
