"""Who is inside of a scope for longer than a hook takes: sessions whose protocol its plugin speaks."""

from __future__ import annotations

import asyncio


class Tenancy:
    """Counts who is inside, so that a replaced plugin is closed once they have left."""

    __slots__ = ("_inside", "_left")

    def __init__(self) -> None:
        self._inside = 0
        self._left: asyncio.Event | None = None

    def enter(self) -> None:
        """One more."""
        self._inside += 1

    def leave(self) -> None:
        """One fewer."""
        self._inside -= 1
        if not self._inside and self._left is not None:
            self._left.set()

    async def left(self) -> None:
        """Return once nobody is inside, or nobody may stay."""
        if self._inside:
            self._left = self._left or asyncio.Event()
            await self._left.wait()

    def evict(self) -> None:
        """Nobody may stay: the hub ends."""
        if self._left is not None:
            self._left.set()
