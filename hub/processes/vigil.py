"""How a worker does, seen from outside of it: whether its loop goes on and how much memory it has."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import Final

from hub.dispatch.blame import culprit
from hub.dispatch.blocking import ASK, NOTICED, Silence, Stack
from hub.log import get_logger

SPARE: Final = 512 << 20
"""Octets that threads may reserve, 8 MiB of stack each, beyond the memory that they use."""
_log = get_logger(area="supervisor")


def limit_memory(octets: int) -> None:
    """A call that asks for private memory far beyond that has a MemoryError."""
    octets += SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (octets if hard < 0 else min(octets, hard), hard))


def anonymous_memory(pid: int) -> int:
    """Octets that the process holds and that no file backs; 0 for one that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, found, rest = status.partition("\nRssAnon:")
    return int(rest.split(maxsplit=1)[0]) * 1024 if found else 0


class Vigil:
    """Over one process of one worker. number: the worker's; notes: where it notes what it judges."""

    def __init__(self, number: int, pid: int, notes: Path) -> None:
        self._number = number
        self._pid = pid
        self._silence = Silence(notes)
        self._stack = Stack(notes)
        self._asked = False
        self._reported = False
        self._longest = 0.0

    def look(self) -> float:
        """Seconds for which its loop has been blocked, from one second on. What is new is logged."""
        seconds = self._silence.look(time.monotonic())
        if self._asked and not self._reported:  # it has had one look's time to write
            self._reported = True
            stack = self._stack.read()
            _log.error(
                "a worker's loop is blocked",
                worker=self._number, by=culprit(stack), seconds=max(seconds, self._longest), stack=stack,
            )  # fmt: skip
        if seconds < NOTICED:
            if self._reported:
                _log.info("the worker's loop goes on", worker=self._number, seconds=self._longest)
                self._stack.clear()
            self._asked = self._reported = False
            return 0.0
        if not self._asked:
            self._asked = True
            self._stack.clear()
            os.kill(self._pid, ASK)
        self._longest = seconds
        return seconds

    def blocked_by(self) -> str:
        """Who blocks its loop, for a sentence."""
        return culprit(self._stack.read()) or "the hub"
