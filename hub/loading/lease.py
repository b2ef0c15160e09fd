"""What must run once in the whole hub, whichever worker does it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from hub.hooks.plugin import Logger
from hub.services.clock import Clock
from hub.services.kv import Kv

SECONDS: Final = 30.0
"""How long a lease lasts after its holder was last heard of."""


class Lease:
    """A key in the store that one holder at a time may have; who is gone loses it after thirty seconds."""

    def __init__(self, kv: Kv, name: str, clock: Clock, log: Logger) -> None:
        self._kv = kv
        self._key = f"lease/{name}"
        self._clock = clock
        self._log = log
        self._token = uuid.uuid4().bytes

    async def guard(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run the work while this holder has the lease, again and again, until cancelled."""
        while True:
            if await self._take():
                try:
                    await self._run_while_held(work)
                finally:
                    await self._kv.compare_and_set(self._key, self._token, None)
            await self._clock.sleep(SECONDS / 3)

    async def _take(self) -> bool:
        """Get the lease, or make it last longer."""
        try:
            held = await self._kv.get(self._key)
            return held in (None, self._token) and await self._kv.compare_and_set(
                self._key, held, self._token, expires=SECONDS
            )
        except Exception as error:
            self._log.warning("lease not renewed", lease=self._key, reason=f"{type(error).__name__}: {error}")
            return False

    async def _run_while_held(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(work())
        try:
            while not task.done():
                pause = asyncio.ensure_future(self._clock.sleep(SECONDS / 3))
                await asyncio.wait((task, pause), return_when=asyncio.FIRST_COMPLETED)
                pause.cancel()
                if not task.done() and not await self._take():
                    break
        finally:
            task.cancel()
            await asyncio.wait((task,))
