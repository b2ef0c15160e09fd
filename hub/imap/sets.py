"""Sequence sets (RFC 3501 §9, RFC 4315 §4): `1:4,7,10:*` read and written."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

Ranges = Sequence[tuple[int, int]]
"""Ascending, disjoint, both ends included."""

STAR = 1 << 32
"""Stands for `*` until it is known what the largest number is."""

SAVED: Ranges = [(0, 0)]
"""Stands for `$`, the result that was saved last (RFC 5182)."""

SET = re.compile(
    rb"(?:[1-9][0-9]{0,9}+|\*)(?::(?:[1-9][0-9]{0,9}+|\*))?+(?:,(?:[1-9][0-9]{0,9}+|\*)(?::(?:[1-9][0-9]{0,9}+|\*))?+)*+"
)


def parse_set(text: bytes) -> list[tuple[int, int]]:
    """The ranges as they are written, each with its smaller end first; STAR for `*`.

    text: matches SET. ValueError for a number that does not fit into 32 bits.
    """
    ranges: list[tuple[int, int]] = []
    for element in text.split(b","):
        first, _, last = element.partition(b":")
        low = STAR if first == b"*" else int(first)
        high = low if not last else STAR if last == b"*" else int(last)
        if (low >= STAR and first != b"*") or (high >= STAR and last not in (b"", b"*")):
            raise ValueError(element.decode("ascii"))
        ranges.append((low, high) if low <= high else (high, low))
    return ranges


def merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers as ascending, disjoint ranges, neighbours joined."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return merged


def starless(ranges: Ranges, star: int) -> Iterator[tuple[int, int]]:
    """The ranges with a number in place of STAR, each with its smaller end first."""
    for low, high in ranges:
        first, last = (star if low == STAR else low), (star if high == STAR else high)
        yield (first, last) if first <= last else (last, first)


def uid_spans(uids: Sequence[int], ranges: Ranges) -> list[tuple[int, int]]:
    """Half-open ranges of the indexes of those UIDs that are there. uids: ascending; `*` is the last."""
    spans = []
    for low, high in merge(starless(ranges, uids[-1] if uids else 0)):
        start = bisect_left(uids, low)
        end = bisect_left(uids, high + 1, start) if high < STAR - 1 else len(uids)
        if start < end:
            spans.append((start, end))
    return spans


def holds(ranges: Ranges, number: int) -> bool:
    """Whether a number is in ascending, disjoint ranges."""
    at = bisect_right(ranges, (number, STAR)) - 1
    return at >= 0 and number <= ranges[at][1]


def compress(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The ranges of ascending numbers."""
    ranges: list[tuple[int, int]] = []
    first = last = -1
    for number in numbers:
        if number == last + 1:
            last = number
            continue
        if first >= 0:
            ranges.append((first, last))
        first = last = number
    if first >= 0:
        ranges.append((first, last))
    return ranges


def render_set(ranges: Iterable[tuple[int, int]]) -> bytes:
    """`1:4,7` for the wire."""
    return b",".join([b"%d" % low if low == high else b"%d:%d" % (low, high) for low, high in ranges])


def render_list(numbers: Iterable[int]) -> bytes:
    """Numbers as a set in their own order, runs that go up by one joined."""
    parts: list[tuple[int, int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return render_set(parts)
