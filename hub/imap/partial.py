"""Parts of a long result (RFC 9394): `1:100` counts from its beginning, `-1:-100` from its end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hub.imap.replies import bad
from hub.imap.tokens import Reader
from hub.imap.view import Selection

_RANGE: Final = re.compile(rb"(-?)([1-9][0-9]{0,9}+):(-?)([1-9][0-9]{0,9}+)")


@dataclass(frozen=True, slots=True)
class Partial:
    """first, last: ascending, both included, from 1; from_end: counted from the last one back."""

    first: int
    last: int
    from_end: bool

    def span(self, count: int) -> tuple[int, int]:
        """The half-open range of positions in a result of that many."""
        start, end = self.first - 1, min(self.last, count)
        if self.from_end:
            start, end = count - end, count - start
        return (start, end) if start < end else (0, 0)


def parse_partial(reader: Reader) -> Partial:
    """`1:100` or `-1:-100`, in either order."""
    found = reader.match(_RANGE, "a range such as 1:100 or -1:-100")
    if found[1] != found[3]:
        raise bad("Both ends of a range are counted from the same end of the result (RFC 9394 3.1)")
    low, high = sorted((int(found[2]), int(found[4])))
    return Partial(low, high, from_end=bool(found[1]))


def cut_selection(selection: Selection, partial: Partial) -> Selection:
    """The messages at those positions of the selection."""
    start, end = partial.span(sum(high - low for low, high in selection))
    chosen: list[tuple[int, int]] = []
    for low, high in selection:
        first, last = max(start, 0), min(end, high - low)
        if first < last:
            chosen.append((low + first, low + last))
        start, end = start - (high - low), end - (high - low)
    return chosen
