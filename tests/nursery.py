"""Hubs in processes of their own that start at once: forked from one that has imported what a hub does.

Importing it is half of what starting a hub costs. `hub` is started as itself where that is the point: by
`tests/cli/test_first_five_minutes.py`, the benchmarks, and each verb that a test types.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Final

_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload([
    "__main__",
    "aiosmtpd.smtp",
    "alembic.command",
    "argon2",
    "rich.console",
    "scramp",
    "sqlalchemy.dialects.sqlite",
    "stevedore",
    "watchdog.observers",
    "hub.app",
    "hub.cli.checking",
    "hub.cli.opening",
    "hub.cli.serve",
    "hub.lifetime",
    "hub.processes.supervisor",
])  # fmt: skip


class Forked:
    """`hub …`, with what a `subprocess.Popen` has of a process that nobody talks to."""

    def __init__(self, process: ForkServerProcess) -> None:
        assert process.pid is not None
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; the negative number of the signal that ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its return code."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its return code, once it has ended; for who has no event loop. TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise TimeoutExpired("hub", timeout or 0)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Nothing, if it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class HubProcess:
    """The same, as `asyncio.subprocess.Process` has it."""

    def __init__(self, forked: Forked) -> None:
        self._forked = forked
        self.pid = forked.pid
        self.send_signal = forked.send_signal
        self.terminate = forked.terminate
        self.kill = forked.kill

    @property
    def returncode(self) -> int | None:
        return self._forked.returncode

    async def wait(self) -> int:
        """Its return code, once it has ended."""
        while (code := self.returncode) is None:
            await asyncio.sleep(0.005)
        return code


def fork_hub(*words: str | Path, log: Path, folder: Path) -> Forked:
    """`hub WORDS` in a folder and a process group of its own; what it prints is added to the log."""
    said = [str(word) for word in words]
    process = _FORKS.Process(target=_be_hub, args=(said, log, folder, dict(os.environ)))
    process.start()
    return Forked(process)


def _be_hub(words: list[str], log: Path, folder: Path, environ: Mapping[str, str]) -> None:
    from hub.cli.main import main

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.close(out)
    main(words, prog_name="hub")
