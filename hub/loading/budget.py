"""The octets of messages that one process holds in memory while it takes them in."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

BUDGET: Final = 128 << 20


@dataclass(slots=True)
class Budget:
    """Whoever holds octets of a message says how many; new ones wait while all together hold too many.

    Nothing is ever refused to who holds some already, for then nobody might get on: they see `spent`
    and put what they hold on disk.
    """

    limit: int = BUDGET
    held: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def spent(self) -> bool:
        """Whether a new message has to wait."""
        return self.held >= self.limit

    def change(self, octets: int) -> None:
        """So many more are held, or fewer; whoever waits goes on once there is room."""
        self.held += octets
        while self._waiting and not self.spent:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    async def room(self) -> None:
        """Return once a new message may come in."""
        while self.spent:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
