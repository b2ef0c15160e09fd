"""Whether somebody waits for a commit: whoever has time lets them go first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary


class Commits:
    """The group writers of one event loop that have work: their threads need Python's lock several times for
    each group, and wait for it whenever the loop works meanwhile. Whoever can wait lets them go first.
    """

    def __init__(self) -> None:
        self._writers = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def under_way(self) -> bool:
        """Whether somebody waits for a commit."""
        return self._writers > 0

    def call_after(self, callback: Callable[[], None]) -> None:
        """Once, as soon as nobody waits for a commit any more; perhaps somebody does again by then."""
        self._waiting.append(callback)

    def begin(self) -> None:
        """One more writer has work."""
        self._writers += 1

    def end(self) -> None:
        """One of them has none left."""
        self._writers -= 1
        if not self._writers:
            waiting, self._waiting = self._waiting, []
            loop = asyncio.get_running_loop()
            for callback in waiting:
                loop.call_soon(callback)


_commits: WeakKeyDictionary[asyncio.AbstractEventLoop, Commits] = WeakKeyDictionary()


def commits() -> Commits:
    """Those of the running loop."""
    return _commits.setdefault(asyncio.get_running_loop(), Commits())
