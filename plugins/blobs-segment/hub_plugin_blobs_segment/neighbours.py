"""Messages that lie side by side, as those of a mailbox mostly do: found, and cut out of what was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from zlib_ng.zlib_ng import crc32

from hub import BlobGone
from hub_plugin_blobs_segment.record import HEADER_SIZE, ORDINARY, ORDINARY_KIND, in_segments

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
    fields = in_segments([text for text, _ in wanted])
    for number, (found, (_, length)) in enumerate(zip(fields, wanted, strict=True)):
        if found is None:
            continue
        name, offset, skip, size = found[0], int(found[1]), int(found[2]), int(found[3])
        some = size if length is None or length > size else length
        until = offset + skip + some
        if name != file or not start <= offset <= end + GAP or until - start > SPAN:
            if until - offset > SPAN:
                continue
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
    """Put the octets of each where its number says, but of what is not whole, or not there.

    The checksums of head and body prove them, and with them all of the record header that is used here; the
    header's own, which proves the rest, is for who reads that.
    """
    view = memoryview(data)
    for number, offset, skip, size, some in run.each:
        at = offset - run.start
        kind, recovery, head, body, head_sum, body_sum = ORDINARY.unpack_from(view, at)
        if kind != ORDINARY_KIND or recovery + HEADER_SIZE != skip or head + body != size:
            continue
        first = at + skip
        split, last = first + head, first + some
        # A part that is not wanted to its end has no checksum; without a whole head nothing is proved.
        if some < head or crc32(view[first:split]) != head_sum:
            continue
        if some < size or crc32(view[split:last]) == body_sum:
            found[number] = bytes(view[first:last])
