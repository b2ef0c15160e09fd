"""A mailbox at one moment, immutable and shared by all who look at it; how one follows from another, and how
two of them differ.

Columns are copied and compared as a whole, so that a change of ten thousand messages costs next to nothing in
Python for each of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import le
from types import MappingProxyType
from typing import Final

from hub.services.states import States
from hub.services.storage import MailboxChanges

NO_KEYWORDS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Snapshot:
    """UIDs, ascending, with flags and modseqs in step with them.

    modseq: every change up to it is in here, and some after it may be. keywords: lower-cased → as it was
    first written. latest: no message has a modseq above it.
    """

    modseq: int
    uids: array[int]
    flags: Sequence[frozenset[str]]
    modseqs: array[int]
    keywords: Mapping[str, str]
    latest: int

    @cached_property
    def first_unseen(self) -> int | None:
        """The index of the first message without \\Seen; found once for all who open the mailbox."""
        unseen = [flags for flags in set(self.flags) if "\\Seen" not in flags]
        return min((self.flags.index(flags) for flags in unseen), default=None)


@dataclass(frozen=True, slots=True)
class Difference:
    """From one snapshot to a later one: indexes into the earlier of what is gone, and into the later of what
    has other flags, of what has another modseq, and of the first that is new."""

    gone: Sequence[int]
    flagged: Sequence[int]
    touched: Sequence[int]
    fresh: int


EMPTY: Final = Snapshot(0, array("I"), (), array("Q"), NO_KEYWORDS, 0)


def loaded(states: States, modseq: int) -> Snapshot:
    """All of a mailbox, read when its modseq was at least this."""
    return replace(merged(EMPTY, states, grows=True), modseq=modseq)


def advanced(snapshot: Snapshot, changes: MailboxChanges) -> Snapshot:
    """What the storage says has changed since then is taken in."""
    kept = _kept(snapshot.uids, changes.vanished)
    if kept is not None:
        snapshot = _cut(snapshot, kept)
    snapshot = merged(snapshot, changes.changed, grows=True)
    return replace(snapshot, modseq=changes.highest_modseq)


def merged(snapshot: Snapshot, states: States, *, grows: bool = False) -> Snapshot:
    """States by UID are taken in where they are newer; whether all of their moment are here is not said.

    grows: UIDs above the last one are added; they are passed over otherwise.
    """
    if not states:
        return snapshot
    uids, flags, modseqs = snapshot.uids, list(snapshot.flags), snapshot.modseqs[:]
    their_uids, their_flags, their_modseqs = states.uids, states.flags, states.modseqs
    known = bisect_right(their_uids, uids[-1]) if uids else 0
    first = bisect_left(uids, their_uids[0])
    span = slice(first, first + known)
    if uids[span] == their_uids[:known] and (
        snapshot.latest <= _least(their_modseqs) or all(map(le, modseqs[span], their_modseqs))
    ):
        flags[span] = their_flags[:known]
        modseqs[span] = their_modseqs[:known]
    else:
        for uid, new, modseq in zip(their_uids[:known], their_flags, their_modseqs, strict=False):
            at = bisect_left(uids, uid)
            if uids[at] == uid and modseqs[at] < modseq:
                flags[at], modseqs[at] = new, modseq
    if grows and known < len(states):
        uids = uids + their_uids[known:]
        flags += their_flags[known:]
        modseqs += their_modseqs[known:]
    keywords = learned(snapshot.keywords, their_flags)
    return Snapshot(
        snapshot.modseq, uids, flags, modseqs, keywords, max(snapshot.latest, _greatest(their_modseqs))
    )


def learned(keywords: Mapping[str, str], flags: Iterable[frozenset[str]]) -> Mapping[str, str]:
    """The keywords with those among the flags; the same mapping if none is new."""
    found = {
        flag.lower(): flag
        for flag in sorted(set[str]().union(*set(flags)))
        if not flag.startswith("\\") and flag.lower() not in keywords
    }
    return MappingProxyType({**keywords, **found}) if found else keywords


def holds(snapshot: Snapshot, first: int, last: int, modseq: int) -> bool:
    """Whether a change of flags of these UIDs, each of which has got this modseq, is in here already."""
    start, end = within(snapshot.uids, first, last)
    return start == end or _least(snapshot.modseqs[start:end]) >= modseq


def _least(modseqs: array[int]) -> int:
    """Of many, which are mostly those of one change: as arrays they are compared at once."""
    return modseqs[0] if _are_one(modseqs) else min(modseqs)


def _greatest(modseqs: array[int]) -> int:
    return modseqs[0] if _are_one(modseqs) else max(modseqs)


def _are_one(modseqs: array[int]) -> bool:
    return modseqs == modseqs[:1] * len(modseqs)


def within(uids: Sequence[int], first: int, last: int) -> tuple[int, int]:
    """The half-open range of the indexes of these UIDs."""
    start = bisect_left(uids, first)
    return start, bisect_right(uids, last, start)


def difference(earlier: Snapshot, later: Snapshot) -> Difference:
    """What has happened between two snapshots of one mailbox."""
    gone = _gone(earlier.uids, later.uids)
    flags, modseqs = earlier.flags, earlier.modseqs
    if gone:
        missing = set(gone)
        kept = [at for at in range(len(modseqs)) if at not in missing]
        flags = [flags[at] for at in kept]
        modseqs = array("Q", [modseqs[at] for at in kept])
    fresh = len(modseqs)
    touched: Sequence[int] = ()
    if modseqs is not later.modseqs and modseqs != later.modseqs[:fresh]:
        pairs = zip(modseqs, later.modseqs, strict=False)
        touched = [at for at, (before, after) in enumerate(pairs) if before != after]
    flagged = [at for at in touched if flags[at] != later.flags[at]]
    return Difference(gone, flagged, touched, fresh)


def keeping(earlier: Snapshot, later: Snapshot, gone: Sequence[int]) -> Snapshot:
    """The later one, in which those of the earlier that are gone still have their places."""
    missing = set(gone)
    fresh = len(earlier.uids) - len(missing)
    at = iter(range(fresh))
    order = [None if place in missing else next(at) for place in range(len(earlier.uids))]
    flags = [earlier.flags[place] if now is None else later.flags[now] for place, now in enumerate(order)]
    modseqs = [
        earlier.modseqs[place] if now is None else later.modseqs[now] for place, now in enumerate(order)
    ]
    return Snapshot(
        earlier.modseq,  # what is not told yet has happened after it
        earlier.uids + later.uids[fresh:],
        [*flags, *later.flags[fresh:]],
        array("Q", modseqs) + later.modseqs[fresh:],
        later.keywords,
        max(earlier.latest, later.latest),
    )


def _gone(earlier: array[int], later: array[int]) -> Sequence[int]:
    if earlier is later or later[: len(earlier)] == earlier:
        return ()
    present = set(later)
    return [at for at, uid in enumerate(earlier) if uid not in present]


def _kept(uids: array[int], vanished: Sequence[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """Half-open ranges of the indexes that stay; None if that is all of them."""
    kept: list[tuple[int, int]] = []
    end = 0
    for first, last in vanished:
        start, stop = within(uids, first, last)
        if start < stop:
            kept.append((end, start))
            end = stop
    if not kept:
        return None
    return [*kept, (end, len(uids))]


def _cut(snapshot: Snapshot, kept: Sequence[tuple[int, int]]) -> Snapshot:
    uids, modseqs = array("I"), array("Q")
    flags: list[frozenset[str]] = []
    for start, end in kept:
        uids += snapshot.uids[start:end]
        flags += snapshot.flags[start:end]
        modseqs += snapshot.modseqs[start:end]
    return replace(snapshot, uids=uids, flags=flags, modseqs=modseqs)
