"""Counters that never wait: added up in memory, and soon in the store, where the other workers find them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sqlalchemy import and_, bindparam, insert, select, update

from hub import Clock, Logger
from hub_plugin_storage_sql.database import Database, Statement
from hub_plugin_storage_sql.schema import COUNTER
from hub_plugin_storage_sql.transaction import Transaction

_b = bindparam

FLUSH_SECONDS: Final = 0.08  # so that with the commit it is within the 100 ms that `Kv.count` promises

_IS_KEY = and_(COUNTER.c.namespace == _b("space"), COUNTER.c.key == _b("name"))
_GET = Statement(select(COUNTER.c.value).where(_IS_KEY, COUNTER.c.expires == _b("until")), "space name until")
_LIVE = Statement(
    select(COUNTER.c.namespace, COUNTER.c.key, COUNTER.c.expires, COUNTER.c.value)
    .where(COUNTER.c.expires > _b("now"))
    .order_by(COUNTER.c.expires)
    .limit(_b("most")),
    "now most",
)
_UPDATE = Statement(
    update(COUNTER).where(_IS_KEY).values(value=_b("new_value"), expires=_b("until")),
    "new_value until space name",
)
_INSERT = Statement(insert(COUNTER), "namespace key value expires")

REMEMBERED: Final = 100_000
"""Counters whose last value is kept in memory where the store cannot be asked without waiting."""

Key: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Count:
    """One counter in one window. stored: what the store has of it; pending: what it has not yet.

    is_certain: `stored` is no older than this entry.
    """

    expires: float
    stored: int
    pending: int
    is_certain: bool


class Counters:
    """All counters of this process that were used within the last moments."""

    def __init__(self, database: Database, clock: Clock, logger: Logger) -> None:
        self._db = database
        self._clock = clock
        self._logger = logger
        self._counts: dict[Key, _Count] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._is_local = database.peek(lambda _: True) is not None
        self._remembered: dict[tuple[str, str, float], int] = {}

    async def start(self) -> None:
        """Learn what the store has counted, where it cannot be asked without waiting."""
        if not self._is_local:
            rows = await self._db.read(lambda db: db.rows(_LIVE, self._clock.time(), REMEMBERED))
            self._remembered = {(space, key, expires): value for space, key, expires, value in rows}

    def add(self, namespace: str, key: str, amount: int, window: float) -> int:
        """Add to a counter; what it stands at, as far as this process knows."""
        # Counted from the epoch, and so the same moment for every worker.
        expires = (self._clock.time() // window + 1) * window
        count = self._counts.get((namespace, key))
        if count is None or count.expires != expires:
            count = self._counts[namespace, key] = self._begun(namespace, key, expires)
        count.pending += amount
        self._flush_later()
        return count.stored + count.pending

    async def close(self) -> None:
        """Bring what is in memory to the store."""
        if self._flushing is not None:
            await self._flushing
        if self._timer is not None:
            self._timer.cancel()
        await self._flush()

    def _begun(self, namespace: str, key: str, expires: float) -> _Count:
        """An entry with what is known of the counter; what others have counted comes with the next flush."""
        if not self._is_local:
            return _Count(expires, self._remembered.pop((namespace, key, expires), 0), 0, False)
        row = self._db.peek(lambda db: db.row(_GET, namespace, key, expires))
        return _Count(expires, row[0] if row else 0, 0, True)

    def _remember(self, key: Key, count: _Count) -> None:
        if self._is_local or count.expires <= self._clock.time():
            return
        if len(self._remembered) >= REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))  # the one that was used longest ago
        self._remembered[*key, count.expires] = count.stored

    def _flush_later(self) -> None:
        if self._timer is None and self._flushing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._begin_flush)

    def _begin_flush(self) -> None:
        self._timer = None
        self._flushing = asyncio.create_task(self._flush())
        self._flushing.add_done_callback(self._end_flush)

    def _end_flush(self, _: asyncio.Task[None]) -> None:
        self._flushing = None
        if self._counts:
            self._flush_later()

    async def _flush(self) -> None:
        """Write what is pending, and forget what was not used since the last time."""
        for key in [key for key, count in self._counts.items() if count.is_certain and not count.pending]:
            self._remember(key, self._counts.pop(key))
        # In the order of the keys, as every process has them: so nobody waits for who waits for them.
        batch = [(key, count, count.pending) for key, count in sorted(self._counts.items(), key=_key)]
        if not batch:
            return
        try:
            totals = await self._db.write_apart(
                _store([(key, count.expires, added) for key, count, added in batch])
            )
        except Exception as error:
            self._logger.warning("counters could not be stored", counters=len(batch), error=repr(error))
            return
        for (_, count, added), total in zip(batch, totals, strict=True):
            count.stored = total
            count.is_certain = True
            count.pending -= added


def _key(entry: tuple[Key, _Count]) -> Key:
    return entry[0]


def _store(batch: Sequence[tuple[Key, float, int]]) -> Callable[[Transaction], list[int]]:
    def work(tx: Transaction) -> list[int]:
        return [_add(tx, *entry) for entry in batch]

    return work


def _add(tx: Transaction, key: Key, expires: float, amount: int) -> int:
    if expires <= tx.now:
        return amount  # its window is over, and nobody will ask again
    row = tx.connection.row(_GET, *key, expires)
    total: int = amount + (row[0] if row else 0)
    if amount and not tx.connection.run(_UPDATE, total, expires, *key):
        tx.connection.run(_INSERT, *key, total, expires)
    return total
