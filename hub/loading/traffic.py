"""What is sent to and from each name by all workers of a hub: connections, and rates.

    cell          0 … 1048575
    all        │ seconds on the clock until which a rate is used up                                    │
    cell          0 … 65535
    worker 0   │ connections that it has to, or from, the names that fall on this cell                 │
    worker 1   │     …

The memory is shared since before the fork, as the census's is: each worker counts connections in a row of its
own and reads all. When the next message may go is one number that all write, without a lock: two that look in
the same instant may let one message go too many. Names are spread by Python's own secret hash.
"""

from __future__ import annotations

import mmap
from typing import Final

RATES: Final = 1 << 20
CELLS: Final = 1 << 16
_RATE, _COUNT = 8, 4
"""Octets of a number."""


class Traffic:
    """One worker's view. memory: shared by `workers` of them, made by `shared`; without it there is one."""

    __slots__ = ("_own", "_rates", "_rows")

    def __init__(self, memory: mmap.mmap | None = None, workers: int = 1, number: int = 0) -> None:
        octets = memoryview(shared(1) if memory is None else memory)
        self._rates = octets[: RATES * _RATE].cast("d")
        cells = octets[RATES * _RATE :].cast("I")
        self._rows = tuple(cells[row * CELLS : (row + 1) * CELLS] for row in range(workers))
        self._own = self._rows[number]
        self._own[:] = memoryview(bytearray(CELLS * _COUNT)).cast("I")  # a predecessor's died with it

    def connections(self, name: str) -> int:
        """How many all workers have."""
        cell = hash(name) % CELLS
        return sum([row[cell] for row in self._rows])

    def add(self, name: str, by: int) -> None:
        """This worker has so many more, or fewer."""
        self._own[hash(name) % CELLS] += by

    def used_until(self, name: str) -> float:
        """Until when what was sent uses the rate up, on a clock that only rises and is the same for all."""
        return self._rates[hash(name) % RATES]

    def use_until(self, name: str, until: float) -> None:
        """Another message was sent."""
        self._rates[hash(name) % RATES] = until


def shared(workers: int) -> mmap.mmap:
    """Memory for so many workers, to be made before they are forked; what is never written takes none."""
    return mmap.mmap(-1, RATES * _RATE + workers * CELLS * _COUNT)
