"""A plugin's log that cannot fill the disk or hold up the mail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from hub.log import get_logger

WINDOW: Final = 10.0
"""Seconds after which counting begins anew."""
MOST: Final = 200
"""Lines of one plugin and one level in that time; more are counted and not written."""


class BoundedLog:
    """A logger that writes so many lines of each level in a while, and then says how many it has left out.

    now: a monotonic clock in seconds.
    """

    def __init__(self, plugin: str, now: Callable[[], float] = time.monotonic) -> None:
        self._log = get_logger(plugin=plugin)
        self._budgets = {
            write.__name__: _Budget(write, now)
            for write in (self._log.debug, self._log.info, self._log.warning, self._log.error)
        }

    def debug(self, event: str, /, **fields: object) -> None:
        """Of use to who debugs this plugin."""
        self._budgets["debug"].write(event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Of use to the operator, on a normal day."""
        self._budgets["info"].write(event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """The operator should look at it some day."""
        self._budgets["warning"].write(event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """The operator should look at it now."""
        self._budgets["error"].write(event, fields)

    def admits(self, record: logging.LogRecord) -> bool:
        """The same for what the plugin writes to the standard library's logging: a filter."""
        level = min(record.levelno // 10 * 10, logging.ERROR)
        return self._budgets[logging.getLevelName(max(level, logging.DEBUG)).lower()].admit()

    def close(self) -> None:
        """Say what has been left out and not yet said."""
        for budget in self._budgets.values():
            budget.settle()


class _Budget:
    """Of one level; from any thread, where a line more or less does not matter."""

    __slots__ = ("_left", "_now", "_suppressed", "_until", "_write")

    def __init__(self, write: Callable[..., None], now: Callable[[], float]) -> None:
        self._write = write
        self._now = now
        self._until = 0.0
        self._left = MOST
        self._suppressed = 0

    def write(self, event: str, fields: dict[str, object]) -> None:
        if self.admit():
            self._write(event, **fields)

    def admit(self) -> bool:
        now = self._now()
        if now >= self._until:
            self.settle()
            self._until, self._left = now + WINDOW, MOST
        self._left -= 1
        if self._left >= 0:
            return True
        self._suppressed += 1
        if self._suppressed == 1:
            self._write(f"more than {MOST} lines in {WINDOW:g} s: the next are suppressed")
        return False

    def settle(self) -> None:
        if self._suppressed:
            self._write(f"{self._suppressed} lines suppressed")
            self._suppressed = 0
