"""Time that passes only when a test turns it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Final

START: Final = 1_800_000_000.0
PATIENT: Final = 100
"""Who wakes in one turn after so many gets only as long as the loop is busy: months have 100,000 timers."""


class ManualClock:
    """A `Clock` at rest: `await turn(60)` lets a minute pass and wakes, in order, who has slept long
    enough.
    """

    def __init__(self, now: float = START) -> None:
        """now: seconds since the epoch."""
        self._start = self._now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._now - self._start

    @property
    def sleepers(self) -> int:
        """How many are asleep."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was turned that far."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def turn(self, seconds: float) -> None:
        """Let that much time pass; whoever wakes gets to run, and may sleep again, before time goes on."""
        end, woken = self._now + seconds, 0
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
                woken += 1
                await settle(until_idle=woken > PATIENT)
        self._now = end
        await settle()


async def settle(rounds: int = 20, *, until_idle: bool = False) -> None:
    """Let everything run that can run without waiting for anybody.

    until_idle: no longer than somebody can, where the loop shows that, as asyncio's own does.
    """
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        await asyncio.sleep(0)
        if until_idle and not getattr(loop, "_ready", True):
            return


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as it holds, for what comes from outside in real time. TimeoutError."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.005)
