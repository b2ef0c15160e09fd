"""Postfix's smtp-sink(1): a server that takes, refuses or delays mail as it is told."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.testing.ports import free_port

PROGRAM = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

needs_sink = pytest.mark.skipif(
    PROGRAM is None or os.geteuid() != 0,
    reason="needs smtp-sink, and root to start it: tests/peers/install.sh installs it",
)


@dataclass(frozen=True, slots=True)
class Sink:
    """A running one. folder: what it took lies there, a file for each message."""

    host: str
    port: int
    folder: Path

    def messages(self) -> list[str]:
        """What it took, with lines of its own on top, in no order."""
        # What is still being written may end within a character.
        return [path.read_text(errors="replace") for path in self.folder.glob("mail.*")]

    def connections(self) -> int:
        """How many there were, beside the one that found it well; it has to be told `-v`."""
        return (self.folder / "log").read_text().count(": connect (") - 1


@contextmanager
def sinking(folder: Path, *options: str, host: str = "127.0.0.1", port: int = 0) -> Iterator[Sink]:
    """Run it. options: its own, such as `-f RCPT` for a hard refusal and `-r RCPT` for a soft one."""
    assert PROGRAM is not None
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    # It gives root up, and every session of pytest that begins closes the folders above to others: so it is
    # put into its folder and told no more than a name.
    command = [PROGRAM, "-u", "nobody", "-d", "mail.", *options, f"[{host}]:{port}", "50"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for_greeting(host, port, process)
        yield Sink(host, port, folder)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait_for_greeting(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, f"smtp-sink ended with {process.returncode}"
        try:
            with socket.create_connection((host, port), timeout=5) as connection:
                if connection.recv(1):
                    return
        except OSError:
            time.sleep(0.02)
    pytest.fail(f"smtp-sink does not greet on {host} port {port}")
