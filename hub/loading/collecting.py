"""The store gives back the space of removed messages now and then: one process of the hub sees to it."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.dispatch.failure import reason
from hub.log import get_logger
from hub.services.chosen import Services

SECONDS: Final = 600.0
"""Between two collections."""
_TURN: Final = "lease/collect"


class Collecting:
    """Begins with a pause; ends with `close`, wherever it is.

    Whose turn it is, is decided by a key in the store that lasts until shortly before the next one. It spares
    the work: two that collect at once do no harm.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = get_logger(area="store")
        self._task = asyncio.get_running_loop().create_task(self._run(), name="collecting")

    async def close(self) -> None:
        """Whatever was half done is garbage for the next time."""
        self._task.cancel()
        await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while True:
            await self._services.clock.sleep(SECONDS)
            try:
                await self._collect()
            except Exception as error:
                self._log.error("garbage could not be collected", reason=reason(error))

    async def _collect(self) -> None:
        kv = self._services.storage.kv("hub")
        if not await kv.compare_and_set(_TURN, None, b"taken", expires=SECONDS * 0.9):
            return
        found = await self._services.blobs.collect(self._services.storage)
        for damaged in found.damaged:
            self._log.error("a message cannot be read", reason=damaged)
        if found.freed:
            self._log.info("garbage collected", messages=found.blobs, moved=found.moved, octets=found.freed)
