"""The smallest scope that a driver can be built on: a folder, settings, a clock that stands still, a log."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar, cast

from hub.hooks.plugin import Plugin

S = TypeVar("S")

START = 1_800_000_000.0


class StoppedClock:
    """Time that passes only when a test says so."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock's start."""
        return self._now - START

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was turned that far."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, id(future), future))
        await future

    def turn(self, seconds: float) -> None:
        """Let that much time pass, and wake who has slept long enough."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)


class _Log:
    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **fields: object) -> None:
        self._logger.debug("%s %s", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._logger.info("%s %s", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._logger.warning("%s %s", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._logger.error("%s %s", event, fields)


class _Scope:
    def __init__(self, name: str, data_dir: Path, table: Mapping[str, object], clock: StoppedClock) -> None:
        self.name = name
        self.data_dir = data_dir
        self.clock = clock
        self.log = _Log(name)
        self._table = table

    def settings(self, model: type[S]) -> S:
        return model(**self._table)


def driver_scope(
    name: str, data_dir: Path, table: Mapping[str, object] | None = None, clock: StoppedClock | None = None
) -> Plugin:
    """A scope for a driver's constructor. table: its settings; data_dir: is made if missing.

    It has what the hub itself gives a driver before there is a store: no kv, no tables, no hooks.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    return cast(Plugin, _Scope(name, data_dir, table or {}, clock or StoppedClock()))
