"""How many sessions there are, in total and for each address, over all workers of a hub.

    cell          0             1             2             3 … 65535
    worker 0  │ all of SMTP │ all of IMAP │ all of HTTP │ sessions of the addresses that fall on this cell │
    worker 1  │     …

The rows lie in memory that the workers share since before the fork. Each worker writes its own row and reads
all, so that nobody needs a lock; two that count in the same instant may let one session too many in.
Addresses are spread over the cells by Python's own secret hash, which workers share too: two addresses that
fall on the same cell are counted as one, and nobody outside can choose which.
"""

from __future__ import annotations

import enum
import ipaddress
import math
import mmap
import time
from typing import Final, TypeAlias

from hub.config.tables.sessions import SessionLimits
from hub.log import get_logger

CELLS: Final = 1 << 16
PAUSE: Final = 60.0
"""Seconds between two lines of the log that say the same."""
_WIDTH: Final = 4
_log = get_logger(area="sessions")


SMTP: Final = 0
"""The cell of all sessions that bring mail."""
IMAP: Final = 1
"""The cell of all sessions that read it."""
HTTP: Final = 2
"""The cell of all connections that speak HTTP."""
_FAMILIES: Final = ("smtp", "imap", "http")

Family: TypeAlias = int | str
"""One of the three, or the name of a protocol that a plugin speaks."""


class Full(enum.Enum):
    """Which limit is reached."""

    TOTAL = "max_sessions"
    ADDRESS = "max_sessions_per_address"


class Census:
    """One worker's view. memory: shared by `workers` of them, made by `shared`; without it there is one."""

    __slots__ = ("_own", "_rows", "_told")

    def __init__(self, memory: mmap.mmap | None = None, workers: int = 1, number: int = 0) -> None:
        cells = memoryview(bytearray(CELLS * _WIDTH) if memory is None else memory).cast("I")
        self._rows = tuple(cells[row * CELLS : (row + 1) * CELLS] for row in range(workers))
        self._own = self._rows[number]
        self._own[:] = memoryview(bytearray(CELLS * _WIDTH)).cast("I")  # a predecessor's died with it
        self._told: dict[Full, float] = {}

    def enter(self, family: Family, host: str, limits: SessionLimits) -> int | Full:
        """Count one more session of an address: its cell, for `leave`; or the limit that is in the way."""
        whole, cell = _whole(family), _cell(family, host)
        total, each = limits.max_sessions, limits.max_sessions_per_address
        full = None
        if len(self._rows) == 1:
            own = self._own
            all_of_it, of_address = own[whole], own[cell]
        else:
            all_of_it, of_address = self._count(whole), self._count(cell)
        if total and all_of_it >= total:
            full = Full.TOTAL
        elif each and of_address >= each and host not in limits.exempted:
            full = Full.ADDRESS
        if full is not None:
            self._tell(full, family, host)
            return full
        self._own[whole] += 1
        self._own[cell] += 1
        return cell

    def leave(self, family: Family, cell: int) -> None:
        """A session that was counted is over."""
        self._own[_whole(family)] -= 1
        self._own[cell] -= 1

    def _count(self, cell: int) -> int:
        return sum([row[cell] for row in self._rows])

    def _tell(self, full: Full, family: Family, host: str) -> None:
        now = time.monotonic()
        if now - self._told.get(full, -math.inf) >= PAUSE:
            self._told[full] = now
            table = family if isinstance(family, str) else _FAMILIES[family]
            _log.warning("sessions are refused", limit=f"{table}.{full.value}", client=host)


def shared(workers: int) -> mmap.mmap:
    """Memory for the census of so many workers, to be made before they are forked."""
    return mmap.mmap(-1, workers * CELLS * _WIDTH)


def _whole(family: Family) -> int:
    """The cell of all sessions; of a plugin's protocol it is spread over the addresses'."""
    return family if isinstance(family, int) else _spread(hash(family))


def _cell(family: Family, host: str) -> int:
    if ":" in host:
        host = _network(host)
    # One row for all: an address has its cell for SMTP and the ones beside it for IMAP and HTTP.
    return _spread(hash(host) + family if isinstance(family, int) else hash((family, host)))


def _spread(hashed: int) -> int:
    return len(_FAMILIES) + hashed % (CELLS - len(_FAMILIES))


def _network(host: str) -> str:
    """The first 64 bits, for whoever has one such address has all of them (RFC 6177)."""
    try:
        return str(int(ipaddress.IPv6Address(host.partition("%")[0])) >> 64)
    except ValueError:
        return host
