"""When a message that could not be sent is tried again, and when that is over."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds: after the first failure, the most between two tries, and from acceptance to giving up."""

    first: float
    longest: float
    give_up: float

    def next_try(self, attempts: int, created_at: float, now: float) -> float | None:
        """When, doubling each time, a little earlier or later so that not all come at once; None: never.

        attempts: those before this one.
        """
        if now - created_at >= self.give_up:
            return None
        pause = min(self.first * 2.0 ** min(attempts, 60), self.longest)
        pause *= random.uniform(1 - JITTER, 1 + JITTER)
        return min(now + pause, created_at + self.give_up)
