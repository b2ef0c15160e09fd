"""How mail to each domain fares: sent, deferred and bounced by class, by day, for a week.

    conclude ──► memory of the worker ──every ten seconds──► key `fared:<day>:<domain>` of the store

A key's value is JSON: `{"sent": 12, "bounced unknown-user": 1}`. A crash takes ten seconds of it away.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hub.services.clock import Clock
from hub.services.kv import Kv

NAMESPACE: Final = "hub"
PREFIX: Final = "fared:"
KEPT_DAYS: Final = 7
EVERY: Final = 10.0
"""Seconds between two times of writing down."""
MOST_DOMAINS: Final = 500
"""Domains that one worker tells apart in a day; all others are `(others)`."""
OTHERS: Final = "(others)"
_LONGEST: Final = 200

Fared: TypeAlias = Mapping[str, Counter[str]]
"""Domain → outcome (`sent`, `deferred <class>`, `bounced <class>`) → how many recipients."""


@dataclass(slots=True)
class Tally:
    """One per process."""

    kv: Kv
    clock: Clock
    _counts: dict[str, Counter[str]] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)
    _day: str = ""

    def add(self, domain: str, outcome: str) -> None:
        """Count one recipient's outcome."""
        day = day_of(self.clock.time())
        if day != self._day:
            self._day = day
            self._known.clear()
        name = domain.lower()[-_LONGEST:]
        if name not in self._known:
            if len(self._known) >= MOST_DOMAINS:
                name = OTHERS
            else:
                self._known.add(name)
        self._counts.setdefault(f"{PREFIX}{day}:{name}", Counter())[outcome] += 1

    async def run(self) -> None:
        """Write down what was counted, again and again, until cancelled; what the store raises."""
        while True:
            await self.clock.sleep(EVERY)
            await self.flush()

    async def flush(self) -> None:
        """Write it down now. What cannot be written stays counted."""
        while self._counts:
            key, counts = self._counts.popitem()
            try:
                await self._write(key, counts)
            except BaseException:
                self._counts.setdefault(key, Counter()).update(counts)
                raise

    async def _write(self, key: str, counts: Counter[str]) -> None:
        written = False
        while not written:
            before = await self.kv.get(key)
            total = _counts_of(before) + counts
            value = json.dumps(total).encode()
            written = await self.kv.compare_and_set(key, before, value, expires=(KEPT_DAYS + 1) * 86400.0)


async def fared(kv: Kv, days: int, now: float) -> Fared:
    """What was written down in the last days, today among them."""
    found: dict[str, Counter[str]] = {}
    wanted = {day_of(now - 86400 * back) for back in range(days)}
    for key, value in await kv.scan(PREFIX):
        day, _, domain = key.removeprefix(PREFIX).partition(":")
        if day in wanted:
            found.setdefault(domain, Counter()).update(_counts_of(value))
    return found


def day_of(now: float) -> str:
    """The day in UTC, such as 2026-11-26."""
    return time.strftime("%Y-%m-%d", time.gmtime(now))


def _counts_of(value: bytes | None) -> Counter[str]:
    return Counter(json.loads(value)) if value else Counter()
