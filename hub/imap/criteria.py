"""Search criteria as a tree that is asked with as little of a message as will do: flags, then row,
header, body."""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from email.utils import parsedate_tz

from hub.imap.view import Selection
from hub.mail.encoded import decode_words
from hub.mail.headers import Headers
from hub.mail.structure import Structure, text
from hub.services.storage import Item

DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()


class Level(enum.IntEnum):
    """How much of a message is at hand; each includes those before it."""

    STATE = 0  # UID and flags, from the view
    ITEM = 1  # its row in the index
    HEAD = 2
    BODY = 3


@dataclass(slots=True)
class Candidate:
    """A message that is being asked about; `at` is its index in the view."""

    at: int
    uid: int
    flags: frozenset[str]
    item: Item | None = None
    headers: Headers | None = None
    body: Sequence[str] = ()
    decoded: dict[str, list[str]] = field(default_factory=dict)

    def row(self) -> Item:
        """The row in the index, at Level.ITEM and above."""
        assert self.item is not None
        return self.item

    def values(self, name: str) -> list[str]:
        """Decoded, case-folded values of a header field, at Level.HEAD and above."""
        found = self.decoded.get(name)
        if found is None:
            assert self.headers is not None
            found = self.decoded[name] = [value.casefold() for value in self.headers.get_all(name)]
        return found

    def header_text(self) -> str:
        """The whole header, decoded and case-folded, at Level.HEAD and above."""
        found = self.decoded.get("")
        if found is None:
            assert self.headers is not None
            found = self.decoded[""] = [header_text(self.headers)]
        return found[0]


Criterion = Callable[[Candidate, Level], bool | None]
"""True, False, or None: this level does not tell."""


def leaf(level: Level, test: Callable[[Candidate], bool]) -> Criterion:
    """A test that needs a level of knowledge."""
    return lambda candidate, known: test(candidate) if known >= level else None


def negation(criterion: Criterion) -> Criterion:
    """NOT."""

    def decide(candidate: Candidate, known: Level) -> bool | None:
        answer = criterion(candidate, known)
        return None if answer is None else not answer

    return decide


def conjunction(criteria: Sequence[Criterion]) -> Criterion:
    """AND; decided by the first that says no, though others cannot tell yet."""
    return criteria[0] if len(criteria) == 1 else _joined(criteria, False)


def disjunction(criteria: Sequence[Criterion]) -> Criterion:
    """OR."""
    return _joined(criteria, True)


def _joined(criteria: Sequence[Criterion], decisive: bool) -> Criterion:
    def decide(candidate: Candidate, known: Level) -> bool | None:
        unknown = False
        for criterion in criteria:
            answer = criterion(candidate, known)
            if answer is decisive:
                return decisive
            unknown = unknown or answer is None
        return None if unknown else not decisive

    return decide


# -- the leaves ------------------------------------------------------------------------------------


def has_flag(flag: str) -> Criterion:
    """A flag, in any case of letters."""
    lowered = flag.lower()

    def test(candidate: Candidate) -> bool:
        return flag in candidate.flags or any(other.lower() == lowered for other in candidate.flags)

    return leaf(Level.STATE, test)


def is_among(selection: Selection) -> Criterion:
    """Membership in a sequence set; found by halving, so that a set of a million elements costs no more."""
    starts = [start for start, _ in selection]

    def test(candidate: Candidate) -> bool:
        place = bisect_right(starts, candidate.at) - 1
        return place >= 0 and candidate.at < selection[place][1]

    return leaf(Level.STATE, test)


def internal_day(compare: Callable[[int, int], bool], day: int) -> Criterion:
    """INTERNALDATE, its time disregarded; days since the epoch in UTC."""
    return leaf(Level.ITEM, lambda candidate: compare(candidate.row().internal_date // DAY, day))


def message_size(compare: Callable[[int, int], bool], octets: int) -> Criterion:
    """RFC822.SIZE."""
    return leaf(Level.ITEM, lambda candidate: compare(candidate.row().size, octets))


def sent_day(compare: Callable[[int, int], bool], day: int) -> Criterion:
    """The Date header, its time and zone disregarded; a message without a readable one never matches."""

    def test(candidate: Candidate) -> bool:
        assert candidate.headers is not None
        sent = _sent_day(candidate.headers)
        return sent is not None and compare(sent, day)

    return leaf(Level.HEAD, test)


def _sent_day(headers: Headers) -> int | None:
    value = headers.get("Date")
    try:
        parsed = parsedate_tz(value) if value else None
        return None if parsed is None else days(parsed[0], parsed[1], parsed[2])
    except (ValueError, IndexError, OverflowError):
        return None


def days(year: int, month: int, day: int) -> int:
    """Days since the epoch."""
    return date(year, month, day).toordinal() - _EPOCH


def header_has(name: str, needle: str) -> Criterion:
    """A substring of a decoded field; without a needle, whether the field is there."""
    folded = needle.casefold()
    return leaf(Level.HEAD, lambda candidate: any(folded in value for value in candidate.values(name)))


def body_has(needle: str) -> Criterion:
    """A substring of one of the decoded text parts."""
    folded = needle.casefold()
    return leaf(Level.BODY, lambda candidate: any(folded in part for part in candidate.body))


def text_has(needle: str) -> Criterion:
    """A substring of the header or of the body."""
    folded = needle.casefold()
    in_header = leaf(Level.HEAD, lambda candidate: folded in candidate.header_text())
    return disjunction([in_header, body_has(needle)])


# -- what is searched ------------------------------------------------------------------------------


def header_text(headers: Headers) -> str:
    """A header block as decoded, case-folded lines."""
    lines = [
        name.decode("ascii") + ": " + decode_words(value.replace(b"\r", b"").replace(b"\n", b""))
        for name, value in headers
    ]
    return "\n".join(lines).casefold()


def body_texts(structure: Structure, data: bytes) -> list[str]:
    """Every text part, decoded and case-folded, and the headers of the messages and parts below the top."""
    found: list[str] = []
    for part in structure.walk():
        if part is not structure.root:
            found.append(header_text(Headers(data[part.header_start : part.body_start])))
        if part.type.lower() == b"text":
            found.append(text(part, data).casefold())
    return found
