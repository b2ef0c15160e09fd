"""Messages that lie side by side, as those of a mailbox mostly do: found, and cut out of what was read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hub_plugin_blobs_segment.record import Reference, checked_sums

SPAN: Final = 256 << 10
"""Octets that are read in one go."""
GAP: Final = 16 << 10
"""Octets between two messages that are read rather than asked for twice."""


@dataclass(slots=True)
class Run:
    """Neighbours in one file, from `start` to `end`; each: its number among those wanted, its reference, and
    how many of its octets are wanted."""

    file: Reference
    start: int
    end: int
    each: list[tuple[int, Reference, int]] = field(default_factory=list)


def runs(wanted: Sequence[tuple[Reference | None, int | None]]) -> Iterator[Run]:
    """Those that can be read together, in their order; None, a large message and one alone in its file are
    left out."""
    run: Run | None = None
    for number, (reference, length) in enumerate(wanted):
        if reference is None or reference.trailing:
            continue
        size = reference.length if length is None else min(length, reference.length)
        start, end = reference.offset, reference.offset + reference.skip + size
        if end - start > SPAN:
            continue
        if (
            run is None
            or reference.file != run.file.file
            or not run.start <= start <= run.end + GAP
            or end - run.start > SPAN
        ):
            if run is not None:
                yield run
            run = Run(reference, start, end)
        run.end = max(run.end, end)
        run.each.append((number, reference, size))
    if run is not None:
        yield run


def cut(data: bytes | bytearray, run: Run) -> Iterator[tuple[int, bytes | None]]:
    """Number and octets of each; None for what is not whole, or not there."""
    view = memoryview(data)
    for number, reference, size in run.each:
        at = reference.offset - run.start
        sums = checked_sums(view, at, reference)
        first = at + reference.skip
        yield (
            number,
            None
            if sums is None or not _is_whole(view, first, size, sums)
            else bytes(view[first : first + size]),
        )


def _is_whole(view: memoryview, at: int, size: int, sums: tuple[int, int, int, int]) -> bool:
    """Whether the checksums of what is there in full are right."""
    head, body, head_sum, body_sum = sums
    if size < head:
        return True
    if zlib.crc32(view[at : at + head]) != head_sum:
        return False
    return size < head + body or zlib.crc32(view[at + head : at + size]) == body_sum
