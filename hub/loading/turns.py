"""Who has much to do on the event loop does it one after the other, each in a turn of the loop of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Turns:
    """Else all that many connections have sent would be worked through before anybody else is heard."""

    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def mine(self) -> None:
        """Return when it is one's turn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if len(self._waiting) == 1:
            loop.call_soon(self._next)
        await future

    def _next(self) -> None:
        future = self._waiting[0]
        if not future.done():
            future.set_result(None)
        # It goes on in the next turn of the loop, and whoever waits behind it in the one after that.
        asyncio.get_running_loop().call_soon(self._over)

    def _over(self) -> None:
        self._waiting.popleft()
        if self._waiting:
            self._next()
