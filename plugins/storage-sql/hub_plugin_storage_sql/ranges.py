"""Ranges of UIDs: ascending, both ends included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, ColumnElement, and_, bindparam

Range: TypeAlias = tuple[int, int]

MAX_UID: Final = (1 << 32) - 1  # RFC 3501 §9, nz-number
GAP: Final = 200
"""Items that are passed over in the time that another statement takes."""


def within(*ids: Column[Any]) -> ColumnElement[bool]:
    """All of those ids lie from `low` to `high`, which the statement binds.

    Said of every table of a join: of one alone, a planner may go through all mailboxes in the others.
    """
    return and_(*[each.between(bindparam("low"), bindparam("high")) for each in ids])


def clipped(uids: Iterable[Range]) -> list[Range]:
    """The ranges, cut to what can be a UID, so that none reaches into another mailbox."""
    return [(max(first, 1), min(last, MAX_UID)) for first, last in uids if first <= MAX_UID and last >= 1]


def runs(uids: Sequence[int]) -> list[Range]:
    """Ascending UIDs as the fewest ranges that hold no other number."""
    if uids and uids[-1] - uids[0] == len(uids) - 1:
        return [(uids[0], uids[-1])]
    found: list[Range] = []
    first = previous = 0
    for uid in uids:
        if uid != previous + 1 or not first:
            if first:
                found.append((first, previous))
            first = uid
        previous = uid
    if first:
        found.append((first, previous))
    return found


def merged(uids: Iterable[Range], gap: int = 0) -> list[Range]:
    """Any ranges as disjoint ascending ones that hold the same numbers, and what lies in gaps so small."""
    found: list[Range] = []
    for first, last in sorted(uids):
        if found and first <= found[-1][1] + 1 + gap:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
