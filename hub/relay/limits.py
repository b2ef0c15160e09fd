"""How much one name gets: a domain, a server, an address that we send from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hub.config.tables.relay import LimitTable

BURST: Final = 5.0
"""Seconds of a rate that may go at once."""


@dataclass(slots=True)
class Gate:
    """most: connections at once; open: how many there are. per_minute: messages; None: as many as come."""

    most: int
    per_minute: int | None = None
    open: int = 0
    _spare: float = field(default=1.0, init=False)  # messages that may go now, if it was right at `_seen`
    _seen: float = field(default=-1e9, init=False)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another connection."""
        return self.open >= self.most

    def wait(self, now: float) -> float:
        """Seconds until the next message may go. now: any clock that only rises."""
        if self.per_minute is None:
            return 0.0
        self._refill(self.per_minute, now)
        return max(0.0, (1.0 - self._spare) * 60 / self.per_minute)

    def count(self, now: float) -> None:
        """A message goes."""
        if self.per_minute is not None:
            self._refill(self.per_minute, now)
            self._spare -= 1.0

    def _refill(self, per_minute: int, now: float) -> None:
        per_second = per_minute / 60
        self._spare = min(self._spare + (now - self._seen) * per_second, max(1.0, per_second * BURST))
        self._seen = now


def limit_of(limits: Mapping[str, LimitTable], name: str) -> LimitTable | None:
    """What is said of a name; the nearest counts."""
    return next((limits[each] for each in nearest(name) if each in limits), None)


def nearest(domain: str) -> tuple[str, ...]:
    """As what settings may speak of a domain: by its name, or as one below `.another`; the nearest first."""
    labels = domain.split(".")
    return (domain, *(f".{'.'.join(labels[at:])}" for at in range(1, len(labels))))
