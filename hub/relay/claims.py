"""What is claimed: rows that are due, under leases that are renewed until it is known what became of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hub.dispatch.failure import reason
from hub.hooks.relay import NextHop
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.relay.answers import Answer
from hub.services.log import ChangeKind, LogEntry
from hub.services.queue import QueueRow

LEASE: Final = 30.0
"""Seconds that a claim lasts; it is renewed three times in that."""
BATCH: Final = 100
MOST_ROWS: Final = 500
"""Rows under way at once in this process."""
LEAST_ROOM: Final = 25
"""Rows for which there has to be room before others are claimed."""
LOOK: Final = 30.0
"""Seconds after which to look for rows whose leases have ended."""
CROWDED: Final = 1.0
"""Seconds for which there may be no end to what is due before room is made for what waits behind it."""

_log = get_logger(area="relay")


@dataclass(slots=True, eq=False)
class Job:
    """Rows of one message to one domain. destination: where they go, as `Routes.destination` calls it.

    route: what plugins say of them, if anything.
    """

    lease: int
    destination: str
    rows: list[QueueRow]
    route: NextHop | Answer | None = None

    @property
    def priority(self) -> int:
        """0 goes first."""
        return self.rows[0].priority

    @property
    def sender(self) -> str:
        """Who is one party among those that share what there is."""
        row = self.rows[0]
        return f"{row.sender.tenant}/{row.sender.key}" if row.sender else str(row.reverse_path or "")

    @property
    def owners(self) -> tuple[tuple[str, str], ...]:
        """Those two who get only their share of the room."""
        return ("to", self.destination), ("from", self.sender)


class Claims:
    """Claims for one process.

    where: the destination of a row. take: is given each job that was claimed, and says `done` of it in the
    end. make_room: gives back some of what was taken, if it can.
    """

    def __init__(
        self,
        kernel: Kernel,
        where: Callable[[QueueRow], str],
        take: Callable[[Job], None],
        make_room: Callable[[], Awaitable[bool]],
    ) -> None:
        self._kernel = kernel
        self._where = where
        self._take = take
        self._make_room = make_room
        self._leases: Counter[int] = Counter()  # lease → rows of it that are under way
        self._behind_since: float | None = None
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
        """It is concluded, or given back: there is room for others."""
        self._leases[job.lease] -= len(job.rows)
        if self._leases[job.lease] <= 0:
            del self._leases[job.lease]
        if self._room >= LEAST_ROOM:
            self._news.set()

    @property
    def _room(self) -> int:
        return MOST_ROWS - self._leases.total()

    async def _claim(self) -> float:
        """Take what is due, as far as there is room; seconds until the next look."""
        clock, storage = self._kernel.services.clock, self._kernel.services.storage
        if not self._kernel.settings.relay.enabled:
            return LOOK
        while (room := self._room) >= LEAST_ROOM or await self._crowd_out():
            wanted = min(BATCH, max(room, LEAST_ROOM))
            claim = await storage.claim(clock.time() + LEASE, wanted)
            self._leases[claim.lease] += len(claim.rows)
            for job in self._jobs(claim.lease, claim.rows):
                self._take(job)
            if len(claim.rows) < wanted:
                self._behind_since = None
                due = await storage.next_due()
                return LOOK if due is None else min(max(due - clock.time(), 0.05), LOOK)
        return CROWDED  # whoever is done wakes us

    async def _crowd_out(self) -> bool:
        """Make room if nobody else got any for a while; whether there is some now."""
        now = self._kernel.services.clock.monotonic()
        if self._behind_since is None:
            self._behind_since = now
        if now - self._behind_since < CROWDED:
            return False
        self._behind_since = now
        return await self._make_room()

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

    def _jobs(self, lease: int, rows: Iterable[QueueRow]) -> Iterable[Job]:
        """Rows of one message to one domain go together."""
        found: dict[tuple[str, str], Job] = {}
        for row in rows:
            key = (row.message_id, row.recipient.ascii_domain.lower())
            if key not in found:
                found[key] = Job(lease, self._where(row), [])
            found[key].rows.append(row)
        return found.values()
