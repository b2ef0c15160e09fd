"""Where mail goes, and whose turn it is: what waits here for each destination, and how much that gets.

Personal mail comes before mail that machines send, and that before bulk; among what is equal in that,
destinations take turns, and within one its senders do.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from hub.relay.backoff import Backoff
from hub.relay.claims import Job
from hub.relay.limits import Gate

ELSEWHERE: Final = 0.25
"""Seconds after which to look again whether other workers have left room."""
REMEMBERED: Final = 5000
"""Destinations whose state is kept, those included to which nothing is sent now."""


@dataclass(slots=True)
class Destination:
    """name: a domain, or `host:port` where the operator leads mail to. serving: connections that it has now
    in this process, as `gate` counts those of all.

    sent, deferred: recipients since the process knows it.
    """

    name: str
    gate: Gate
    backoff: Backoff
    serving: int = 0
    sent: int = 0
    deferred: int = 0
    _waiting: dict[int, OrderedDict[str, deque[Job]]] = field(
        default_factory=dict
    )  # priority → sender → jobs
    _rows: int = 0

    def __len__(self) -> int:
        """Rows that wait here."""
        return self._rows

    @property
    def urgency(self) -> int:
        """The priority of what comes next."""
        return min(self._waiting)

    def begin(self) -> None:
        """It has one more connection."""
        self.serving += 1
        self.gate.enter()

    def end(self) -> None:
        """One less."""
        self.serving -= 1
        self.gate.leave()

    def put(self, job: Job) -> None:
        """It waits from now on."""
        senders = self._waiting.setdefault(job.priority, OrderedDict())
        senders.setdefault(job.sender, deque()).append(job)
        self._rows += len(job.rows)

    def take(self) -> Job:
        """The next one, of those senders whose turn it is. IndexError if none waits."""
        if not self._waiting:
            raise IndexError(self.name)
        priority = self.urgency
        senders = self._waiting[priority]
        sender, jobs = senders.popitem(last=False)
        job = jobs.popleft()
        if jobs:
            senders[sender] = jobs
        if not senders:
            del self._waiting[priority]
        self._rows -= len(job.rows)
        return job

    def waiting(self) -> Iterator[Job]:
        """Those that wait, the more urgent first; those of one sender in their order."""
        for priority in sorted(self._waiting):
            for jobs in self._waiting[priority].values():
                yield from jobs

    def withdraw(self, out: Collection[Job]) -> None:
        """Those of them do not wait any more."""
        kept = [job for job in self.waiting() if job not in out]
        self._waiting.clear()
        self._rows = 0
        for job in kept:
            self.put(job)

    def state(self, now: float) -> Mapping[str, object]:
        """For `hub queue stats`."""
        trouble = self.backoff.trouble
        return {
            "destination": self.name,
            "waiting": self._rows,
            "connections": self.serving,
            "most": self.backoff.connections,
            "usual": self.gate.most,
            "per_minute": self.gate.per_minute,
            "sent": self.sent,
            "deferred": self.deferred,
            "paused": max(0.0, self.backoff.paused_until - now),
            "trouble": None if trouble is None else str(trouble),
        }

    def may_begin(self, now: float) -> bool:
        """Whether another connection may be given to what waits."""
        if not self._waiting:
            return False
        if self.backoff.suspended(now) is not None:
            return True  # what waits is told so
        return self.wait(now) == 0.0

    def wait(self, now: float) -> float | None:
        """Seconds until another connection may be begun; None: when one of this process ends."""
        if self.serving >= self.backoff.connections:
            return None
        if self.gate.open >= self.backoff.connections:
            return ELSEWHERE
        return self.gate.wait(now)


class Destinations:
    """Those of one process. make: a new one of that name."""

    def __init__(self, make: Callable[[str], Destination]) -> None:
        self._make = make
        self._known: OrderedDict[str, Destination] = OrderedDict()  # those whose turn is over last

    def __iter__(self) -> Iterator[Destination]:
        return iter(self._known.values())

    def put(self, job: Job) -> None:
        """It waits for its turn."""
        if job.destination not in self._known:
            self._known[job.destination] = self._make(job.destination)
        self._known[job.destination].put(job)
        self._shrink()

    def remake(self) -> None:
        """Limits have changed: whoever is known gets those of now."""
        for destination in self:
            fresh = self._make(destination.name)
            destination.gate.most, destination.gate.per_minute = fresh.gate.most, fresh.gate.per_minute
            destination.backoff.most = fresh.backoff.most
            destination.backoff.allowed = min(destination.backoff.allowed, fresh.backoff.most)

    def next(self, now: float) -> Destination | None:
        """Whose turn it is."""
        ready = (each for each in self if each.may_begin(now))
        found = min(ready, key=lambda each: each.urgency, default=None)
        if found is not None:
            self._known.move_to_end(found.name)
        return found

    def wait(self, now: float) -> float | None:
        """Seconds until a rate or another worker lets something go; None if that is not what keeps it."""
        waits = (each.wait(now) for each in self if len(each))
        return min((wait for wait in waits if wait), default=None)

    def excess(self, share: int) -> Collection[Job]:
        """Take out what waits for one destination, or of one sender, beyond that many rows.

        Of what a sender has waiting, the first for each destination is the last to go.
        """
        nth: Counter[tuple[str, str]] = Counter()
        ranked: list[tuple[int, int, Job]] = []
        for job in (job for destination in self for job in destination.waiting()):
            nth[job.destination, job.sender] += 1
            ranked.append((job.priority, nth[job.destination, job.sender], job))
        kept: Counter[tuple[str, str]] = Counter()
        out: dict[Job, None] = {}
        for *_, job in sorted(ranked, key=lambda each: each[:2]):
            if any(kept[owner] + len(job.rows) > share for owner in job.owners):
                out[job] = None
            else:
                kept.update(dict.fromkeys(job.owners, len(job.rows)))
        for destination in self:
            destination.withdraw(out.keys())
        return out.keys()

    def _shrink(self) -> None:
        if len(self._known) > REMEMBERED:
            unused = [each.name for each in self if not len(each) and not each.serving]
            for name in unused[: REMEMBERED // 10]:
                del self._known[name]
