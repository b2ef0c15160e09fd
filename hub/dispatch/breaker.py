"""A circuit breaker: who fails again and again is not asked for a while, then probed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0


class Breaker:
    """One plugin's, for all its hooks; every call is let in by it and reports back to it.

    Opens after five failures with no success between them, counting each message once, so that one sender's
    retries do not add up. While it is open nobody is let in; after a pause, which doubles up to five
    minutes, one call is let through as a probe, whose success closes it. What began before the last change
    of state says nothing about the present one.

    now: a monotonic clock in seconds. changed: called with (open?, hook, reason) when it opens or closes.
    """

    __slots__ = (
        "_changed",
        "_emptied",
        "_failed",
        "_inside",
        "_now",
        "_pause",
        "_retired",
        "_ticket",
        "_until",
    )

    def __init__(self, now: Callable[[], float], changed: Callable[[bool, str, str], None]) -> None:
        self._now = now
        self._changed = changed
        self._failed: set[object] = set()
        self._until: float | None = None  # None: closed; infinite while a probe is under way
        self._pause = FIRST_PAUSE
        self._ticket = 1
        self._inside = 0
        self._retired = False
        self._emptied: asyncio.Event | None = None

    @property
    def open(self) -> bool:
        """Whether the plugin is out of use but for probes."""
        return self._until is not None

    @property
    def retired(self) -> bool:
        """Whether the plugin is out of use for good, because a successor has taken over."""
        return self._retired

    def admit(self) -> int:
        """Whether to ask the plugin now: a ticket to be given back, or 0."""
        if self._until is not None or self._retired:
            if self._retired or self._now() < (self._until or 0.0):
                return 0
            self._until = float("inf")
            self._ticket += 1
        self._inside += 1
        return self._ticket

    def succeeded(self, ticket: int, hook: str) -> None:
        """The plugin answered."""
        self._leave()
        if self._until is None:
            if self._failed:
                self._failed.clear()
        elif ticket == self._ticket:
            self._failed.clear()
            self._until, self._pause = None, FIRST_PAUSE
            self._changed(False, hook, "a probe succeeded")

    def failed(self, ticket: int, hook: str, subject: object, reason: str) -> None:
        """The plugin failed. subject: what it was asked about, hashable; the same subject counts once."""
        self._leave()
        if ticket != self._ticket or self._retired:
            return
        if self._until is not None:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._until = self._now() + self._pause
            return
        self._failed.add(subject)
        if len(self._failed) >= FAILURES:
            self._ticket += 1
            self._until = self._now() + self._pause
            self._changed(True, hook, reason)

    def abandoned(self, ticket: int) -> None:
        """We gave the call up, which says nothing about the plugin; a probe may be tried anew."""
        self._leave()
        if self._until is not None and ticket == self._ticket:
            self._until = self._now()

    async def retire(self, seconds: float) -> bool:
        """Let nobody in any more and wait for who is inside, for at most that long; whether all have left."""
        self._retired = True
        if self._inside:
            self._emptied = asyncio.Event()
            try:
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
            except TimeoutError:
                return False
        return True

    def _leave(self) -> None:
        self._inside -= 1
        if self._emptied is not None and not self._inside:
            self._emptied.set()
