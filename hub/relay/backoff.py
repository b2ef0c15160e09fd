"""How a destination that is in trouble is spared, and found well again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from hub.relay.answers import Answer

LONGEST: Final = 32
"""The longest pause, in first ones."""
JITTER: Final = 0.1


@dataclass(slots=True)
class Backoff:
    """One destination's, over a clock that only rises.

    Each trouble halves the connections that it gets, each message that it takes gives a part of one back.
    Where even one is too many it is left alone for a while, twice as long each time.

    most: connections that it gets when well. trouble: what it said last that was no success.
    """

    most: int
    allowed: float
    trouble: Answer | None = None
    pauses: int = 0
    paused_until: float = 0.0

    def suspended(self, now: float) -> Answer | None:
        """Why it is asked nothing now; None if it may be."""
        return self.trouble if now < self.paused_until else None

    @property
    def connections(self) -> int:
        """How many it may have."""
        return min(int(self.allowed), self.most)

    def went_well(self) -> None:
        """It took a message."""
        self.allowed = min(self.allowed + 1 / self.allowed, self.most)
        self.pauses = 0
        self.trouble = None

    def went_wrong(self, answer: Answer, now: float, pause: float, *, is_there: bool) -> None:
        """It refused all mail for now, or nobody was there. pause: the first one, in seconds."""
        self.trouble = answer
        if now < self.paused_until:
            return  # others that were under way have found out the same
        is_last = self.allowed < 2
        self.allowed = max(self.allowed / 2, 1.0) if is_there else 1.0
        if is_there and not is_last:
            return
        seconds = pause * min(2.0**self.pauses, LONGEST)
        self.pauses += 1
        self.paused_until = now + seconds * random.uniform(1 - JITTER, 1 + JITTER)
