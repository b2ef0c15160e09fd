"""The results of a search that a client keeps, in their order, and how they change (RFC 5267 §4.3.2).

A change costs steps for what it changes alone; the rest is moved as a whole.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any, Final, Protocol, TypeAlias

from hub.imap.sets import compress

Piece: TypeAlias = tuple[int, Sequence[int]]
"""A context position, and the UIDs, in their order, that are put there or are taken from there."""
SortEntry: TypeAlias = tuple[Any, ...]
"""What a message is sorted by, and last its UID."""

ANYWHERE: Final = 0
"""The position of what keeps the mailbox's order by itself."""


class Kept(Protocol):
    """Messages by UID. What changes them gives the pieces that a client takes over, one after the other."""

    def __len__(self) -> int:
        """How many there are."""

    def __contains__(self, uid: int) -> bool:
        """Whether the message is one of them."""

    def remove(self, uids: Iterable[int]) -> list[Piece]:
        """Those of the UIDs that are here go."""

    def add(self, entries: Iterable[Any]) -> list[Piece]:
        """These come, none of which is here."""


class Found:
    """Results of SEARCH, entered by their UIDs, in the mailbox's order: positions are never told."""

    __slots__ = ("_uids",)

    def __init__(self, uids: Iterable[int] = ()) -> None:
        self._uids = array("I", sorted(uids))

    def __len__(self) -> int:
        return len(self._uids)

    def __contains__(self, uid: int) -> bool:
        at = bisect_left(self._uids, uid)
        return at < len(self._uids) and self._uids[at] == uid

    def remove(self, uids: Iterable[int]) -> list[Piece]:
        """Those of the UIDs that are here go."""
        gone = sorted(uid for uid in uids if uid in self)
        self._uids = _without(self._uids, [bisect_left(self._uids, uid) for uid in gone])
        return [(ANYWHERE, gone)] if gone else []

    def add(self, entries: Iterable[int]) -> list[Piece]:
        """These UIDs come, none of which is here."""
        fresh = sorted(entries)
        self._uids, _ = _with(self._uids, fresh)
        return [(ANYWHERE, fresh)] if fresh else []


class Sorted:
    """Results of SORT: entries that are in their order already."""

    __slots__ = ("_by_uid", "_entries")

    def __init__(self, entries: Sequence[SortEntry]) -> None:
        self._entries = list(entries)
        self._by_uid = {entry[-1]: entry for entry in entries}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, uid: int) -> bool:
        return uid in self._by_uid

    def remove(self, uids: Iterable[int]) -> list[Piece]:
        """Those of the UIDs that are here go; the last of them first, whose position is what it was."""
        gone = [self._by_uid.pop(uid) for uid in uids if uid in self._by_uid]
        places = sorted(bisect_left(self._entries, entry) for entry in gone)
        pieces: list[Piece] = [
            (first, [entry[-1] for entry in self._entries[first - 1 : last]])
            for first, last in compress(at + 1 for at in places)
        ]
        self._entries = _without(self._entries, places)
        return pieces[::-1]

    def add(self, entries: Iterable[SortEntry]) -> list[Piece]:
        """These come, none of which is here; the first of them first."""
        fresh = sorted(entries)
        self._by_uid |= {entry[-1]: entry for entry in fresh}
        self._entries, places = _with(self._entries, fresh)
        return [
            (first, [entry[-1] for entry in self._entries[first - 1 : last]])
            for first, last in compress(at + 1 for at in places)
        ]


def _without(entries: MutableSequence[Any], places: Iterable[int]) -> Any:
    """The entries that do not stand at one of these ascending places."""
    left, end = entries[:0], 0
    for first, last in compress(at + 1 for at in places):
        left += entries[end : first - 1]
        end = last
    left += entries[end:]
    return left


def _with(entries: Any, fresh: Sequence[Any]) -> tuple[Any, list[int]]:
    """The entries and some more, both in order, and where these now stand."""
    merged, end = entries[:0], 0
    places: list[int] = []
    for entry in fresh:
        at = bisect_left(entries, entry, end)
        merged += entries[end:at]
        places.append(len(merged))
        merged.append(entry)
        end = at
    merged += entries[end:]
    return merged, places
