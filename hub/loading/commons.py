"""What the workers of a hub count together, in memory that they share since before the fork."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.loading import census, traffic
from hub.loading.census import Census
from hub.loading.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Commons:
    """One worker's view; by itself, that of a process without others.

    census: how many sessions each address has. traffic: what is sent to each name.
    """

    census: Census = field(default_factory=Census)
    traffic: Traffic = field(default_factory=Traffic)


class CommonMemory:
    """Made before any worker is forked."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._census, self._traffic = census.shared(workers), traffic.shared(workers)

    def of(self, number: int) -> Commons:
        """The view of that worker, whose predecessor's counts are taken out."""
        return Commons(
            Census(self._census, self._workers, number), Traffic(self._traffic, self._workers, number)
        )
