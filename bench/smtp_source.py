"""The load of SMTP: made by Postfix's own smtp-source(1), so that no code of ours is on the client's side."""

from __future__ import annotations

import resource
import shutil
import subprocess
from dataclasses import dataclass
from typing import Final

from bench.server import DOMAIN, HOST, MAILBOX

PATH: Final = "/usr/sbin:/usr/local/sbin:/sbin"
"""Where Debian puts it, which is in root's PATH alone."""

PATIENCE: Final = 300.0
"""Seconds that a server gets to answer all of one load."""


@dataclass(frozen=True, slots=True)
class Load:
    """size: octets of one body. reuse: many messages per connection, else one."""

    messages: int
    size: int
    reuse: bool = True
    sessions: int = 20


class LoadFailed(Exception):
    """The server refused a message; the text is what the generator said."""


def find() -> str | None:
    """The program, if it is installed."""
    return shutil.which("smtp-source") or shutil.which("smtp-source", path=PATH)


def send(load: Load, port: int) -> float:
    """Send it all; gives the generator's own CPU seconds once all was answered with 250. LoadFailed."""
    program = find()
    if program is None:
        raise LoadFailed("smtp-source is not installed; tests/peers/install.sh installs it with Postfix")
    command = [
        program,
        "-s",
        str(min(load.sessions, load.messages)),
        "-m",
        str(load.messages),
        "-l",
        str(load.size),
    ]
    command += ["-d"] if load.reuse else []
    command += ["-M", f"client.{DOMAIN}", "-f", f"sender@client.{DOMAIN}", "-t", MAILBOX, f"{HOST}:{port}"]
    before = _children_seconds()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"not all was answered within {PATIENCE:g} s") from None
    # It reports some failures as warnings and goes on.
    if done.returncode or done.stderr.strip():
        raise LoadFailed(done.stderr.strip()[-500:] or f"smtp-source ended with status {done.returncode}")
    return _children_seconds() - before


def _children_seconds() -> float:
    """What ended children that were waited for have used; more precise than proc(5)."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
