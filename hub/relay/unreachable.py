"""Servers that took no connection of late: they are tried last, for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.relay.hops import Hop

LONGEST: Final = 16
REMEMBERED: Final = 2000


@dataclass(slots=True)
class _Mark:
    until: float
    times: int


class Unreachable:
    """Those of one process, over a clock that only rises."""

    def __init__(self) -> None:
        self._marks: OrderedDict[tuple[str, int], _Mark] = OrderedDict()

    def mark(self, hop: Hop, now: float, seconds: float) -> None:
        """It took no connection. seconds: how long that is believed the first time."""
        key = (hop.address, hop.port)
        times = self._marks[key].times if key in self._marks else 0
        self._marks[key] = _Mark(now + seconds * min(2.0**times, LONGEST), times + 1)
        self._marks.move_to_end(key)
        if len(self._marks) > REMEMBERED:
            self._marks.popitem(last=False)

    def clear(self, hop: Hop) -> None:
        """It took one."""
        self._marks.pop((hop.address, hop.port), None)

    def order(self, hops: Sequence[Hop], now: float) -> Sequence[Hop]:
        """Those that may be there, and behind them the one of the others whose time ends first."""
        marked = [(mark.until, at) for at, hop in enumerate(hops) if (mark := self._mark(hop, now))]
        left_out = {at for _, at in marked}
        last = [hops[min(marked)[1]]] if marked else []
        return [*(hop for at, hop in enumerate(hops) if at not in left_out), *last]

    def _mark(self, hop: Hop, now: float) -> _Mark | None:
        mark = self._marks.get((hop.address, hop.port))
        return mark if mark is not None and mark.until > now else None
