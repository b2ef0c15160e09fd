"""How much one name gets: a domain, a server, an address that we send from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hub.config.tables.relay import LimitTable
from hub.loading.traffic import Traffic

BURST: Final = 5.0
"""Seconds of a rate that may go at once."""


@dataclass(slots=True)
class Gate:
    """One name's, over all workers. most: connections at once. per_minute: messages; None: as many as come.

    name: with what it is a name of, such as `to example.org`, for a domain and a server may have one name.
    """

    traffic: Traffic
    name: str
    most: int
    per_minute: int | None = None

    @property
    def open(self) -> int:
        """Connections that there are."""
        return self.traffic.connections(self.name)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another connection."""
        return self.open >= self.most

    def enter(self) -> None:
        """One more of this worker."""
        self.traffic.add(self.name, 1)

    def leave(self) -> None:
        """One less."""
        self.traffic.add(self.name, -1)

    def wait(self, now: float) -> float:
        """Seconds until the next message may go. now: any clock that only rises."""
        if self.per_minute is None:
            return 0.0
        ahead = max(BURST - 60 / self.per_minute, 0.0)
        return max(0.0, self.traffic.used_until(self.name) - ahead - now)

    def count(self, now: float) -> None:
        """A message goes."""
        if self.per_minute is not None:
            until = max(self.traffic.used_until(self.name), now) + 60 / self.per_minute
            self.traffic.use_until(self.name, until)


def limit_of(limits: Mapping[str, LimitTable], name: str) -> LimitTable | None:
    """What is said of a name; the nearest counts."""
    return next((limits[each] for each in nearest(name) if each in limits), None)


def nearest(domain: str) -> tuple[str, ...]:
    """As what settings may speak of a domain: by its name, or as one below `.another`; the nearest first."""
    labels = domain.split(".")
    return (domain, *(f".{'.'.join(labels[at:])}" for at in range(1, len(labels))))
