"""Whether octets are lines as SMTP sends them (RFC 5321 §2.3.8, RFC 2045 §2.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MAX_TEXT_LINE: Final = 998  # RFC 5322 §2.1.1
STEP: Final = 256 * 1024
"""Octets looked at before other threads get their turn."""


def has_bare_line_end(piece: bytes) -> bool:
    """Whether a CR or LF stands alone: then a line's end is one octet, and the sum does not come out."""
    ends = len(piece.splitlines()) - (piece[-1:] not in (b"", b"\r", b"\n"))
    return len(piece) != 2 * ends + len(piece.translate(None, b"\r\n"))


def steps(data: bytes | memoryview, start: int, end: int) -> Iterator[bytes]:
    """The octets [start:end] in pieces that cut no CR LF in two."""
    while start < end:
        stop = min(start + STEP, end)
        if stop < end and data[stop - 1 : stop] == b"\r":
            stop += 1
        yield bytes(data[start:stop])
        start = stop


def is_lines(data: bytes | memoryview, start: int, end: int) -> bool:
    """Whether [start:end] may stand in a message as 8bit: no NUL, CR or LF alone, no line over 998 octets."""
    carried = 0  # octets of the line that the step before has not ended
    for piece in steps(data, start, end):
        if b"\0" in piece or has_bare_line_end(piece):
            return False
        lengths = list(map(len, piece.split(b"\r\n")))
        lengths[0] += carried
        if max(lengths) > MAX_TEXT_LINE:
            return False
        carried = lengths[-1]
    return True
