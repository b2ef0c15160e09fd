"""The queue of facts that one plugin has not been told yet."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from hub.log import MESSAGE, SESSION

BOUND: Final = 1000


class Notifier:
    """One per scope: facts are told in order, one at a time, and never waited for by the mail.

    A full queue drops the newest fact and counts it.
    """

    __slots__ = ("_facts", "_task", "dropped")

    def __init__(self) -> None:
        self._facts: deque[tuple[str | None, str | None, Callable[[], Awaitable[object]]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def put(self, tell: Callable[[], Awaitable[object]]) -> None:
        """Queue one fact."""
        if len(self._facts) >= BOUND:
            self.dropped += 1
            return
        self._facts.append((SESSION.get(), MESSAGE.get(), tell))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._tell_all())

    async def drain(self, seconds: float) -> None:
        """Wait until everything queued was told, for at most that long.

        What is left is dropped and counted.
        """
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=seconds)
        if self._task is not None:
            self.dropped += len(self._facts)
            self._facts.clear()
            self._task.cancel()

    async def _tell_all(self) -> None:
        try:
            while self._facts:
                session, message, tell = self._facts.popleft()
                SESSION.set(session)
                MESSAGE.set(message)
                await tell()
        finally:
            self._task = None
