"""What a plugin has called again and again while it serves."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TypeAlias

from hub.dispatch.driving import drive
from hub.dispatch.failure import reason
from hub.dispatch.threads import PluginThreads
from hub.hooks.plugin import Logger
from hub.loading.lease import Lease
from hub.loading.surroundings import Surroundings

Work: TypeAlias = Callable[[], Coroutine[object, object, None]]


class Timers:
    """One plugin's, from `open` to `stop`, each in a task of its own.

    threads: where its plain functions run. lease: makes the lease of a name, for what only one worker does.
    """

    def __init__(
        self,
        name: str,
        surroundings: Surroundings,
        threads: PluginThreads,
        lease: Callable[[str], Lease],
        log: Logger,
    ) -> None:
        self._name = name
        self._around = surroundings
        self._threads = threads
        self._lease = lease
        self._log = log
        self._timers: list[Work] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticking = False

    def every(
        self, seconds: float, function: Callable[[], Awaitable[None] | None], *, once: bool = False
    ) -> None:
        """Call the function with so many seconds between; once: in one worker at a time. ValueError."""
        if not seconds > 0:
            raise ValueError(f"every({seconds!r}): the seconds between two calls must be more than 0")
        name = getattr(function, "__qualname__", None) or type(function).__qualname__
        lease = f"every/{len(self._timers)}/{name[:100]}" if once else None
        self.add(partial(self._tick, seconds, function, name), lease=lease)

    def add(self, work: Work, *, lease: str | None = None) -> None:
        """Run it for as long as the plugin serves, and holds the lease if there is one."""
        timer = work if lease is None else partial(self._lease(lease).guard, work)
        self._timers.append(timer)
        if self._ticking:
            self._start(timer)

    def open(self) -> None:
        """All start, once."""
        if not self._ticking:
            self._ticking = True
            for timer in self._timers:
                self._start(timer)

    async def stop(self, patience: float) -> None:
        """All end; those that do not within so many seconds are logged."""
        self._ticking = False
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, hung = await asyncio.wait(tasks, timeout=patience)
            if hung:
                self._log.error("tasks do not end", count=len(hung))

    def _start(self, timer: Work) -> None:
        task = self._around.loop.create_task(self._guarded(timer), name=f"{self._name} timer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, timer: Work) -> None:
        """Run for ever; no exception may leave a task, a SystemExit would end the loop."""
        while True:
            await self._try(timer, "a timer failed")
            await self._around.clock.sleep(1)

    async def _tick(self, seconds: float, function: Callable[[], Awaitable[None] | None], name: str) -> None:
        async def call() -> None:
            if inspect.iscoroutinefunction(function):
                await function()
            elif inspect.isawaitable(result := await self._threads.run(function)):
                await result

        while True:
            await self._around.clock.sleep(seconds)
            await self._try(call, "a timer's function failed", function=name)

    async def _try(self, work: Work, event: str, **fields: object) -> None:
        try:
            await drive(work(), None)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._log.error(event, reason=reason(error), **fields)
