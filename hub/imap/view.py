"""What one session knows of its mailbox: UIDs and flags by sequence number, as far as the client was told.

Sequence numbers move only in `take_expunged`. What was expunged elsewhere keeps its number, and its
flags, until then (RFC 3501 §7.4.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hub.imap.place import Place
from hub.imap.replies import bad
from hub.imap.sets import STAR, Ranges, merge
from hub.services.storage import ItemState, MailboxChanges

Selection = Sequence[tuple[int, int]]
"""Half-open ranges of indexes into a view, ascending and disjoint; index 0 has sequence number 1."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a sync has found: indexes with other flags than the client knows, and whether messages were
    added."""

    flagged: tuple[int, ...]
    grown: bool


class View:
    """A selected mailbox. uids: ascending; flags: in step with them; modseq: up to which changes were seen.

    place: what it was opened as; name: as the client writes it now.
    keywords: lower-cased → as it was first written; stale: something may have changed in the store.
    """

    __slots__ = (
        "flags", "id", "keywords", "modseq", "name", "place", "read_only", "stale", "uids", "uidvalidity",
        "vanished",
    )  # fmt: skip

    def __init__(self, place: Place, states: Sequence[ItemState], *, read_only: bool) -> None:
        mailbox = place.mailbox
        self.place = place
        self.id = mailbox.id
        self.name = place.name
        self.uidvalidity = mailbox.uidvalidity
        self.modseq = mailbox.highest_modseq
        self.read_only = read_only
        self.stale = False
        self.uids = array("I", [state.uid for state in states])
        self.flags = [state.flags for state in states]
        self.vanished: set[int] = set()
        self.keywords: dict[str, str] = {}
        self.learn(set().union(*set(self.flags)))

    def __len__(self) -> int:
        return len(self.uids)

    def learn(self, flags: Iterable[str]) -> bool:
        """Remember the keywords among the flags; whether any was new."""
        before = len(self.keywords)
        for flag in flags:
            if not flag.startswith("\\"):
                self.keywords.setdefault(flag.lower(), flag)
        return len(self.keywords) > before

    def spell(self, flags: Iterable[str]) -> frozenset[str]:
        """The flags as this mailbox spells them already: keywords are equal in any case."""
        return frozenset(self.keywords.get(flag.lower(), flag) for flag in flags)

    def index(self, uid: int) -> int | None:
        """Where a UID stands, None if the client does not know it."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def first_unseen(self) -> int | None:
        """The sequence number of the first message without \\Seen."""
        return next((at for at, flags in enumerate(self.flags, 1) if "\\Seen" not in flags), None)

    # -- choosing messages -------------------------------------------------------------------------

    def choose(self, ranges: Ranges, *, by_uid: bool) -> list[tuple[int, int]]:
        """The messages of a sequence set. A sequence number that is not there is BAD, an unknown UID is
        passed over."""
        return self.by_uids(ranges) if by_uid else self.by_numbers(ranges)

    def by_numbers(self, ranges: Ranges) -> list[tuple[int, int]]:
        """The messages of a set of sequence numbers."""
        count = len(self.uids)
        if not count and any(STAR in pair for pair in ranges):
            return []  # 1:* of an empty mailbox is nothing, and nobody's mistake
        found: list[tuple[int, int]] = []
        for low, high in merge((low, high) for low, high in self._starless(ranges, count)):
            if high > count:
                raise bad(f"There is no message {high}, the mailbox has {count}")
            found.append((low - 1, high))
        return found

    def by_uids(self, ranges: Ranges) -> list[tuple[int, int]]:
        """The messages of a set of UIDs; `*` is the largest one there is."""
        last = self.uids[-1] if self.uids else 0
        chosen = []
        for low, high in merge(self._starless(ranges, last)):
            start = bisect_left(self.uids, low)
            end = bisect_left(self.uids, high + 1, start) if high < STAR - 1 else len(self.uids)
            if start < end:
                chosen.append((start, end))
        return chosen

    @staticmethod
    def _starless(ranges: Ranges, star: int) -> Iterator[tuple[int, int]]:
        for low, high in ranges:
            first, last = (star if low == STAR else low), (star if high == STAR else high)
            yield (first, last) if first <= last else (last, first)

    def uid_ranges(self, selection: Selection) -> list[tuple[int, int]]:
        """The UIDs of a selection for the storage, unknown ones between them included."""
        return [(self.uids[start], self.uids[end - 1]) for start, end in selection]

    # -- what happens elsewhere --------------------------------------------------------------------

    def apply(self, changes: MailboxChanges) -> Update:
        """Take in what the storage says has changed; expunged messages only wait to be told."""
        flagged: list[int] = []
        known = len(self.uids)
        last = self.uids[-1] if known else 0
        for state in changes.changed:
            if state.uid > last:
                self.uids.append(state.uid)
                self.flags.append(state.flags)
                last = state.uid
            elif (at := self.index(state.uid)) is not None and self.flags[at] != state.flags:
                self.flags[at] = state.flags
                flagged.append(at)
        for low, high in changes.vanished:
            start = bisect_left(self.uids, low)
            end = bisect_left(self.uids, high + 1, start)
            self.vanished.update(self.uids[start:end])
        self.modseq = changes.highest_modseq
        return Update(tuple(flagged), len(self.uids) > known)

    def take_expunged(self) -> list[int]:
        """Forget what has vanished: its sequence numbers, highest first, so that each is right when it is
        told."""
        gone = sorted(at for uid in self.vanished if (at := self.index(uid)) is not None)
        self.vanished.clear()
        if gone:
            dropped = set(gone)
            self.uids = array("I", [uid for at, uid in enumerate(self.uids) if at not in dropped])
            self.flags = [flags for at, flags in enumerate(self.flags) if at not in dropped]
        return [at + 1 for at in reversed(gone)]


def batches(selection: Selection, size: int) -> Iterator[tuple[int, int]]:
    """The selection cut into half-open ranges of at most `size` messages."""
    for start, end in selection:
        for at in range(start, end, size):
            yield at, min(at + size, end)
