"""Who has filled all the room with what goes slowly gives some of it back, to be claimed again later.

What is given back is due again about when its turn comes, as far as can be told from how fast it went so far.
So a hundred thousand mails to a slow server are claimed in vain once or twice each, and not once a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from hub.relay.claims import Job

SOONEST, LATEST = 1.0, 600.0
"""Seconds until what was given back is due again."""
SLOWEST: Final = 0.1
"""Rows a second that are hoped for, whatever happened so far."""


class Crowd:
    """Counts what destinations and senders get done, over a clock that only rises."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._done: Counter[tuple[str, str]] = Counter()  # owner → rows
        self._booked: dict[tuple[str, str], float] = {}  # owner → until when its turns are given away

    def done(self, job: Job) -> None:
        """It was sent, or tried."""
        self._done.update(dict.fromkeys(job.owners, len(job.rows)))

    def book(self, jobs: Iterable[Job], now: float) -> Mapping[Job, float]:
        """In how many seconds each should be due; counts anew from now."""
        seconds = max(now - self._since, 0.1)
        self._booked = {owner: until for owner, until in self._booked.items() if until > now}
        found: dict[Job, float] = {}
        for job in jobs:
            for owner in job.owners:
                rate = max(self._done[owner] / seconds, SLOWEST)
                self._booked[owner] = max(self._booked.get(owner, 0.0), now + SOONEST) + len(job.rows) / rate
            found[job] = min(max(self._booked[owner] for owner in job.owners) - now, LATEST)
        self._done.clear()
        self._since = now
        return found
