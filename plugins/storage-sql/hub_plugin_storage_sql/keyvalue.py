"""Plugins' key-value spaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from hub import Clock
from hub_plugin_storage_sql.counters import Counters
from hub_plugin_storage_sql.database import Database, Reads, Statement
from hub_plugin_storage_sql.schema import COUNTER, KV
from hub_plugin_storage_sql.transaction import Transaction

_b = bindparam

MAX_KEY: Final = 255  # octets
MAX_VALUE: Final = 64 << 10

_IS_KEY = and_(KV.c.namespace == _b("space"), KV.c.key == _b("name"))
_IS_ALIVE = or_(KV.c.expires.is_(None), KV.c.expires > _b("now"))
_GET = Statement(select(KV.c.value).where(_IS_KEY, _IS_ALIVE), "space name now")
_UPDATE = Statement(
    update(KV).where(_IS_KEY).values(value=_b("new_value"), expires=_b("new_expires")),
    "new_value new_expires space name",
)
_INSERT = Statement(insert(KV), "namespace key value expires")
_REMOVE = Statement(delete(KV).where(_IS_KEY), "space name")
_SCAN = Statement(
    select(KV.c.key, KV.c.value)
    .where(KV.c.namespace == _b("space"), KV.c.key >= _b("first"), KV.c.key < _b("end"), _IS_ALIVE)
    .order_by(KV.c.key),
    "space first end now",
)
_HAS_EXPIRED = Statement(select(KV.c.key).where(KV.c.expires <= _b("now")).limit(1), "now")
_HAS_OLD_COUNTERS = Statement(select(COUNTER.c.key).where(COUNTER.c.expires <= _b("now")).limit(1), "now")
_PURGE = Statement(delete(KV).where(KV.c.expires <= _b("now")), "now")
_PURGE_COUNTERS = Statement(delete(COUNTER).where(COUNTER.c.expires <= _b("now")), "now")


class KeyValues:
    """The `hub.Kv` of one plugin."""

    def __init__(self, database: Database, clock: Clock, counters: Counters, namespace: str) -> None:
        self._db = database
        self._clock = clock
        self._counters = counters
        self._namespace = namespace

    async def get(self, key: str) -> bytes | None:
        """The value, None if there is none or it has expired."""
        row = await self._db.point(lambda db: db.row(_GET, self._namespace, key, self._clock.time()))
        return None if row is None else row[0]

    async def set(self, key: str, value: bytes | None, *, expires: float | None = None) -> None:
        """Write a value, or remove the key with None."""
        await self._db.write_apart(self._write(key, value, expires))

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes | None, *, expires: float | None = None
    ) -> bool:
        """Write only if the value is still `expected`; whether it was written."""
        write = self._write(key, value, expires)

        def work(tx: Transaction) -> bool:
            row = tx.connection.row(_GET, self._namespace, key, tx.now)
            if (None if row is None else row[0]) != expected:
                return False
            write(tx)
            return True

        return await self._db.write_apart(work)

    async def scan(self, prefix: str) -> Sequence[tuple[str, bytes]]:
        """All keys with the prefix and their values, by key."""
        # No key has room for as many of the last character: this comes after all with the prefix.
        end = prefix + "\U0010ffff" * (MAX_KEY // 4 + 1)
        return await self._db.read(
            lambda db: [
                (key, value)
                for key, value in db.rows(_SCAN, self._namespace, prefix, end, self._clock.time())
            ]
        )

    def count(self, key: str, amount: int = 1, *, window: float) -> int:
        """Add to a counter that starts anew every `window` seconds; what it stands at now."""
        _check_key(key)
        return self._counters.add(self._namespace, key, amount, window)

    def _write(self, key: str, value: bytes | None, expires: float | None) -> Callable[[Transaction], None]:
        _check_key(key)
        if value is not None and len(value) > MAX_VALUE:
            raise ValueError(f"the value of {key!r} has {len(value)} octets; at most {MAX_VALUE} fit")
        until = None if expires is None else self._clock.time() + expires

        def work(tx: Transaction) -> None:
            if value is None:
                tx.connection.run(_REMOVE, self._namespace, key)
            elif not tx.connection.run(_UPDATE, value, until, self._namespace, key):
                tx.connection.run(_INSERT, self._namespace, key, value, until)

        return work


def has_expired(db: Reads, now: float) -> bool:
    """Whether `purge` would find anything."""
    return db.row(_HAS_EXPIRED, now) is not None or db.row(_HAS_OLD_COUNTERS, now) is not None


def purge(tx: Transaction) -> None:
    """Remove what has expired."""
    tx.connection.run(_PURGE, tx.now)
    tx.connection.run(_PURGE_COUNTERS, tx.now)


def _check_key(key: str) -> None:
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise ValueError(f"a key has 1 to {MAX_KEY} octets: {key[:40]!r}")
