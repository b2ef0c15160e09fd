"""What nobody can have back any more, removed from time to time."""

from __future__ import annotations

import asyncio
from typing import Final

from hub import Plugin
from hub_plugin_storage_sql import expunged, keyvalue
from hub_plugin_storage_sql.database import Database

PURGE_SECONDS: Final = 60.0
BATCH: Final = 1000
"""Expunged items that are forgotten in one change."""


class Purging:
    """Of one process, from its making to `close`: keys, and items, in whichever process finds them first.

    keep: seconds that expunged items are kept for.
    """

    def __init__(self, database: Database, plugin: Plugin, keep: float) -> None:
        self._db = database
        self._plugin = plugin
        self._keep = keep
        self._task = asyncio.create_task(self._now_and_then())

    async def close(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _now_and_then(self) -> None:
        clock = self._plugin.clock
        while True:
            await clock.sleep(PURGE_SECONDS)
            try:
                await self._purge(clock.time())
            except Exception as error:
                self._plugin.log.warning("what has expired could not be removed", error=repr(error))

    async def _purge(self, now: float) -> None:
        if await self._db.point(lambda db: keyvalue.has_expired(db, now)):
            await self._db.write_apart(keyvalue.purge)
        before = now - self._keep
        while await self._db.point(lambda db: expunged.has_older(db, before)):
            await self._db.write(expunged.purge(before, BATCH))
