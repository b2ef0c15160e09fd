"""The messages of one command on their way to the disk: many share a sync."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from hub.loading.budget import Budget
from hub.services.blobs import Blobs
from hub.services.storage import NewItem

AT_ONCE: Final = 1 << 20
"""Octets that may wait for their sync, after which the next message waits too."""


class Batch:
    """items: whose octets are durable, in the order in which they came."""

    __slots__ = ("_blobs", "_budget", "_coming", "_octets", "items")

    def __init__(self, blobs: Blobs, budget: Budget) -> None:
        self._blobs = blobs
        self._budget = budget
        self._coming: list[tuple[NewItem, asyncio.Task[str]]] = []
        self._octets = 0  # of what is coming
        self.items: list[NewItem] = []

    def __len__(self) -> int:
        return len(self.items) + len(self._coming)

    @property
    def size(self) -> int:
        """Octets of all messages."""
        return sum(item.size for item in self.items) + self._octets

    async def put(self, item: NewItem, head: bytes, body: bytes, recovery: bytes, *, is_last: bool) -> None:
        """Another one, whose blob has no reference yet. is_last: of the command, so that it is durable when
        this returns, and all before it. StoreFull, OSError."""
        put = self._blobs.put(head, body, recovery)
        if is_last and not self._coming:
            self.items.append(replace(item, blob=await put))
            return
        task = asyncio.get_running_loop().create_task(put)
        self._budget.change(item.size)
        task.add_done_callback(lambda _: self._budget.change(-item.size))
        self._coming.append((item, task))
        self._octets += item.size
        if is_last or self._octets > AT_ONCE:
            await self.sync()

    async def sync(self) -> None:
        """Return when all that has come is durable. StoreFull, OSError."""
        await asyncio.gather(*[task for _, task in self._coming])
        self._take()

    async def end(self) -> None:
        """No more will come: when this returns, `items` are all that have become durable."""
        if not self._coming:
            return
        await asyncio.gather(*[task for _, task in self._coming], return_exceptions=True)
        self._coming = [
            (item, task) for item, task in self._coming if not task.cancelled() and task.exception() is None
        ]
        self._take()

    def abandon(self) -> None:
        """Nobody waits for what is still coming."""
        for _, task in self._coming:
            task.cancel()

    def _take(self) -> None:
        self.items += [replace(item, blob=task.result()) for item, task in self._coming]
        self._coming.clear()
        self._octets = 0
