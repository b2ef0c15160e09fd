"""What is claimed: rows that are due, under leases that are renewed until it is known what became of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hub.dispatch.failure import reason
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.services.log import ChangeKind, LogEntry
from hub.services.queue import QueueRow

LEASE: Final = 30.0
"""Seconds that a claim lasts; it is renewed three times in that."""
BATCH: Final = 100
MOST_ROWS: Final = 500
"""Rows under way at once in this process."""
LOOK: Final = 30.0
"""Seconds after which to look for rows whose leases have ended."""

_log = get_logger(area="relay")


@dataclass(slots=True)
class Job:
    """Rows of one message that go the same way."""

    lease: int
    rows: list[QueueRow]


class Claims:
    """Claims for one process. take: is given each job that was claimed, and says `done` of it in the end."""

    def __init__(self, kernel: Kernel, take: Callable[[Job], None]) -> None:
        self._kernel = kernel
        self._take = take
        self._leases: Counter[int] = Counter()  # lease → rows of it that are under way
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Claim what is due, whenever something is, until cancelled."""
        unwatch = self._kernel.services.storage.watch(self._noticed)
        try:
            while True:
                self._news.clear()
                try:
                    pause = await self._claim()
                except Exception as error:
                    _log.error("the queue cannot be read", reason=reason(error))
                    pause = 5.0
                await self._sleep(pause)
        finally:
            unwatch()

    async def renew(self) -> None:
        """Keep what is under way, until cancelled."""
        clock, storage = self._kernel.services.clock, self._kernel.services.storage
        while True:
            await clock.sleep(LEASE / 3)
            for lease in tuple(self._leases):
                try:
                    await storage.renew(lease, clock.time() + LEASE)
                except Exception as error:
                    _log.error("a lease of queued mail is not renewed", reason=reason(error))

    def done(self, job: Job) -> None:
        """It is concluded, or given up: there is room for others."""
        self._leases[job.lease] -= len(job.rows)
        if self._leases[job.lease] <= 0:
            del self._leases[job.lease]
        self._news.set()

    async def _claim(self) -> float:
        """Take what is due, as far as there is room; seconds until the next look."""
        clock, storage = self._kernel.services.clock, self._kernel.services.storage
        if not self._kernel.settings.relay.enabled:
            return LOOK
        while (room := MOST_ROWS - self._leases.total()) > 0:
            claim = await storage.claim(clock.time() + LEASE, min(BATCH, room))
            self._leases[claim.lease] += len(claim.rows)
            for job in _jobs(claim.lease, claim.rows):
                self._take(job)
            if len(claim.rows) < min(BATCH, room):
                due = await storage.next_due()
                return LOOK if due is None else min(max(due - clock.time(), 0.05), LOOK)
        return LOOK  # whoever is done wakes us

    def _noticed(self, entries: Sequence[LogEntry]) -> None:
        if any(entry.kind is ChangeKind.QUEUED for entry in entries):
            self._news.set()

    async def _sleep(self, seconds: float) -> None:
        waiting = [
            asyncio.ensure_future(self._news.wait()),
            asyncio.ensure_future(self._kernel.services.clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()


def _jobs(lease: int, rows: Iterable[QueueRow]) -> Iterable[Job]:
    """Rows of one message to one domain go together."""
    found: dict[tuple[str, str], Job] = {}
    for row in rows:
        key = (row.message_id, row.recipient.ascii_domain.lower())
        found.setdefault(key, Job(lease, [])).rows.append(row)
    return found.values()
