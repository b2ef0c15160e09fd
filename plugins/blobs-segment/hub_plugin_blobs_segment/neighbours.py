"""Messages that lie side by side, as those of a mailbox mostly do: found, and cut out of what was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from zlib_ng.zlib_ng import crc32

from hub import BlobGone
from hub_plugin_blobs_segment.record import checked_sums, places

SPAN: Final = 256 << 10
"""Octets that are read in one go: as many as stay in the processor's cache while they are looked at."""
GAP: Final = 16 << 10
"""Octets between two messages that are read rather than asked for twice."""

Place: TypeAlias = tuple[int, int, int, int, int]
"""One message's number among those wanted, offset in the file, octets of its record header and of itself, and
how many of these are wanted."""


class Run(NamedTuple):
    """Neighbours in one file, from `start` to `end`."""

    file: str
    start: int
    end: int
    each: list[Place]


def runs(wanted: Sequence[tuple[str, int | None]]) -> Iterator[Run]:
    """Those that can be read together, in their order. Left out are what is no reference, a large message and
    one alone in its file."""
    file, start, end = "", 0, 0
    each: list[Place] = []
    for number, (text, length) in enumerate(wanted):
        found = places(text)
        if found is None or found[0].endswith(".blob"):
            continue
        name, offset, skip, size = found
        some = size if length is None or length > size else length
        until = offset + skip + some
        if until - offset > SPAN:
            continue
        if name != file or not start <= offset <= end + GAP or until - start > SPAN:
            if each:
                yield Run(file, start, end, each)
            file, start, end = name, offset, until
            each = []
        elif until > end:
            end = until
        each.append((number, offset, skip, size, some))
    if each:
        yield Run(file, start, end, each)


def cut(data: bytes | bytearray, run: Run, found: list[bytes | BlobGone | None]) -> None:
    """Put the octets of each where its number says, but of what is not whole, or not there."""
    view, start = memoryview(data), run.start
    for number, offset, skip, size, some in run.each:
        first = offset - start + skip
        sums = checked_sums(view, first - skip, skip, size)
        if sums is None:
            continue
        head, head_sum, body_sum = sums
        octets = bytes(view[first : first + some])
        # A part that is not wanted to its end has no checksum.
        if some < head or (
            crc32(octets[:head]) == head_sum and (some < size or crc32(octets[head:]) == body_sum)
        ):
            found[number] = octets
