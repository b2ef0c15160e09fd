"""Ports for programs that a test starts."""

from __future__ import annotations

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """One of 127.0.0.1 that nobody uses now, neither by TCP nor by UDP.

    It is one of those below the ports that systems give to clients, so nobody is given it meanwhile.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with (
            socket.socket() as stream,
            socket.socket(type=socket.SOCK_DGRAM) as datagram,
            suppress(OSError),
        ):
            stream.bind(("127.0.0.1", port))
            datagram.bind(("127.0.0.1", port))
            return port
