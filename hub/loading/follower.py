"""Following the change log from a stored position."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hub.dispatch.driving import drive
from hub.dispatch.failure import reason
from hub.hooks.plugin import Logger
from hub.services.clock import Clock
from hub.services.kv import Kv
from hub.services.log import LogEntry
from hub.services.storage import Storage

BATCH: Final = 200
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 300.0


class Follower:
    """Hands the log to one handler, in order, from the position that the plugin's kv remembers."""

    def __init__(
        self,
        storage: Storage,
        kv: Kv,
        name: str,
        handler: Callable[[Sequence[LogEntry]], Awaitable[None]],
        clock: Clock,
        log: Logger,
        *,
        from_now: bool = False,
    ) -> None:
        """from_now: the first time it begins behind the newest entry, not with the oldest."""
        self._storage = storage
        self._kv = kv
        self._name = name
        self._key = f"follow/{name}"
        self._handler = handler
        self._clock = clock
        self._log = log
        self._from_now = from_now

    async def place(self) -> None:
        """Fix where it begins, if that is now and nobody has done so; the same for all workers."""
        if self._from_now and await self._kv.get(self._key) is None:
            position = await self._storage.log_position()
            await self._kv.compare_and_set(self._key, None, b"%d" % position)

    async def run(self) -> None:
        """Until cancelled."""
        news = asyncio.Event()
        unwatch = self._storage.watch(lambda _: news.set())
        try:
            await self.place()
            position = int(await self._kv.get(self._key) or b"0")
            while True:
                news.clear()  # before the read: what comes after it wakes us
                if entries := await self._storage.log(position, BATCH):
                    await self._hand_over(entries)
                    position = entries[-1].position
                    await self._kv.set(self._key, b"%d" % position)
                else:
                    await news.wait()
        finally:
            unwatch()

    async def _hand_over(self, entries: Sequence[LogEntry]) -> None:
        """Until the handler has returned once."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await drive(_run(self._handler, entries), None)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                why = reason(error)
            self._log.error("a follower failed", follower=self._name, reason=why, again_in=pause)
            await self._clock.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _run(handler: Callable[[Sequence[LogEntry]], Awaitable[None]], entries: Sequence[LogEntry]) -> None:
    await handler(entries)
