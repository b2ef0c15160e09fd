"""Who has much to do on the event loop does it one after the other, each in a turn of the loop of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from hub.services.commits import commits

PATIENCE: Final = 0.005
"""Seconds that the next one waits at most for those who wait for a commit."""


@dataclass(slots=True)
class Turns:
    """Else all that many connections have sent would be worked through before anybody else is heard.

    Nobody has a turn while a commit is under way, up to `PATIENCE`: its thread would wait for Python's lock
    each time that it needs it, and everybody's small mail with it.
    """

    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _timer: asyncio.TimerHandle | None = None  # while the first one waits for commits
    _listening: bool = False  # `_look` is called once they are over

    async def mine(self) -> None:
        """Return when it is one's turn."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        if len(self._waiting) == 1:
            loop.call_soon(self._next)
        await future

    def _next(self) -> None:
        """The first one's turn comes, at once or when nobody waits for a commit."""
        if commits().under_way:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._grant)
            self._listen()
        else:
            self._grant()

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            commits().call_after(self._look)

    def _look(self) -> None:
        """The commits are over, unless others have begun."""
        self._listening = False
        if self._timer is None:
            return
        if commits().under_way:
            self._listen()
        else:
            self._grant()

    def _grant(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        future = self._waiting[0]
        if not future.done():
            future.set_result(None)
        # It goes on in the next turn of the loop, and whoever waits behind it in the one after that.
        asyncio.get_running_loop().call_soon(self._over)

    def _over(self) -> None:
        self._waiting.popleft()
        if self._waiting:
            self._next()
