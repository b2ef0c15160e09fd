"""Positions of the log: numbers are given before they become visible, so that a later one may appear first.

A transaction that will write to the log first notes the last number that was given: it holds a shared
advisory lock on it until it ends. What is below all such notes, and was given before they were looked at, is
either visible or will never be.
"""

from __future__ import annotations

from typing import Any, Final

_TAG: Final = 0x4855  # in the highest 16 of an advisory lock's 64 bits; the rest is the position

NOTE: Final = (
    f"SELECT pg_advisory_xact_lock_shared({_TAG << 48} | (last_value - (NOT is_called)::int))"
    " FROM log_position_seq"
)
"""SQL that notes it for the transaction."""

_GIVEN: Final = "SELECT last_value - (NOT is_called)::int FROM log_position_seq"
_OLDEST: Final = f"""
SELECT min((classid::bigint << 32 | objid::bigint) & {(1 << 48) - 1})
FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = {_TAG}
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def settled(raw: Any) -> int:
    """The position below which nothing appears any more; read the log afterwards, in a new transaction."""
    given: int = await raw.fetchval(_GIVEN)  # first, or a transaction might begin and end between the two
    oldest: int | None = await raw.fetchval(_OLDEST)
    return given if oldest is None else min(given, oldest)
