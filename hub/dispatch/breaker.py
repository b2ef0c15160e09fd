"""A circuit breaker: who fails again and again is not asked for a while, then probed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0


class Breaker:
    """One plugin's, for all its hooks.

    Opens after five failures with no success between them, counting each message once, so that one sender's
    retries do not add up. While it is open `allows` is false; after a pause, which doubles up to five
    minutes, one call is let through as a probe, whose success closes it.

    now: a monotonic clock in seconds. changed: called with (open?, hook, reason) when it opens or closes.
    """

    __slots__ = ("_changed", "_failed", "_now", "_pause", "_probing", "_until")

    def __init__(self, now: Callable[[], float], changed: Callable[[bool, str, str], None]) -> None:
        self._now = now
        self._changed = changed
        self._failed: set[object] = set()
        self._until: float | None = None  # None: closed
        self._pause = FIRST_PAUSE
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the plugin is out of use but for probes."""
        return self._until is not None

    def allows(self) -> bool:
        """Whether to ask the plugin now; while open, true once per pause."""
        if self._until is None:
            return True
        if self._probing or self._now() < self._until:
            return False
        self._probing = True
        return True

    def succeeded(self, hook: str) -> None:
        """The plugin answered."""
        if self._until is None:
            if self._failed:
                self._failed.clear()
            return
        self._failed.clear()
        self._until, self._probing, self._pause = None, False, FIRST_PAUSE
        self._changed(False, hook, "a probe succeeded")

    def failed(self, hook: str, subject: object, reason: str) -> None:
        """The plugin failed. subject: what it was asked about, hashable; the same subject counts once."""
        if self._until is not None:
            self._probing = False
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._until = self._now() + self._pause
            return
        self._failed.add(subject)
        if len(self._failed) >= FAILURES:
            self._until = self._now() + self._pause
            self._changed(True, hook, reason)

    def abandoned(self) -> None:
        """The call was given up by us: it says nothing about the plugin."""
        self._probing = False
