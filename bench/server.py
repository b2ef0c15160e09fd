"""What a benchmark asks of a server, whoever made it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Final, Protocol

ROOT: Final = Path(__file__).parents[1]
"""Where `python -m bench…` is started."""
HOST: Final = "127.0.0.1"
DOMAIN: Final = "example.test"
MAILBOX: Final = f"reader@{DOMAIN}"
"""Whom all mail is for."""


class Server(Protocol):
    """A server that runs, with its processes below `pid` and SMTP on `port`.

    delivers_first: whether its 250 means that the message is in the mailbox already. setup: how it was
    configured, for the report.
    """

    delivers_first: bool

    @property
    def pid(self) -> int:
        """The root of its process tree."""
        ...

    @property
    def port(self) -> int:
        """Where it speaks SMTP on loopback."""
        ...

    @property
    def setup(self) -> Mapping[str, str]:
        """How it was configured, for the report."""
        ...

    def stored(self) -> int:
        """How many messages are in the mailbox, as its owner would find them."""
        ...


class NotStarted(Exception):
    """The server did not come up; the text says what it said."""


def wait_for_greeting(port: int, process: Popen[bytes], seconds: float = 30.0) -> None:
    """Until something greets on the port. NotStarted if its process ends, or nothing does in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotStarted(f"it ended with status {process.returncode}")
        try:
            with socket.create_connection((HOST, port), timeout=5) as connection:
                if connection.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise NotStarted(f"nothing greets on port {port} after {seconds:g} s")


def environment() -> dict[str, str]:
    """This run's own, without what would make a Python or a hub run other than an operator's."""
    foreign = ("PYTHON", "HUB_", "COVERAGE", "COV_")
    return {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
