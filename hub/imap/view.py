"""What one session knows of its mailbox: UIDs and flags by sequence number, as far as the client was told.

Sequence numbers move only in `catch_up`, and only where they may. What was expunged elsewhere keeps its
number, and its flags, until then (RFC 3501 §7.4.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.imap.enabled import Enabled
from hub.imap.mirror import Mirror
from hub.imap.place import Place
from hub.imap.render import SYSTEM_FLAGS
from hub.imap.replies import UID_REQUIRED, Refused, bad
from hub.imap.sets import SAVED, STAR, Ranges, compress, merge, starless, uid_spans
from hub.imap.snapshot import NO_KEYWORDS, Snapshot, keeping, merged
from hub.services.states import Known, States

if TYPE_CHECKING:
    from hub.imap.contexts import Contexts

Selection = Sequence[tuple[int, int]]
"""Half-open ranges of indexes into a view, ascending and disjoint; index 0 has sequence number 1."""


@dataclass(frozen=True, slots=True)
class Update:
    """What a client must be told so that it knows what its view knows, in this order.

    expunged: indexes into the view as it was. added: how many messages are new. flagged, touched: indexes
    of messages with other flags, and with another modseq, into the view as it is.
    """

    expunged: Sequence[int] = ()
    expunged_uids: Sequence[int] = ()
    added: int = 0
    flagged: Sequence[int] = ()
    touched: Sequence[int] = ()


NOTHING = Update()


class View:
    """A selected mailbox. uids: ascending; flags and modseqs: in step with them, and all of them shared with
    other sessions: they are never changed, only replaced.

    place: what it was opened as; name: as the client writes it now. enabled: the session's own set.
    told_keywords: those of the last FLAGS. saved: ascending UIDs, what `$` stands for (RFC 5182). contexts:
    searches that are kept up to date, None if there never was one.
    """

    __slots__ = (
        "_end", "_met", "_mirror", "_snapshot", "contexts", "enabled", "flags", "id", "modseqs", "name",
        "place", "read_only", "saved", "told_keywords", "uids", "uidvalidity",
    )  # fmt: skip

    def __init__(
        self,
        place: Place,
        mirror: Mirror,
        end: Callable[[], None],
        *,
        read_only: bool,
        enabled: Set[Enabled] = frozenset(),
    ) -> None:
        mailbox = place.mailbox
        self.place = place
        self.id = mailbox.id
        self.name = place.name
        self.uidvalidity = mailbox.uidvalidity
        self.read_only = read_only
        self.enabled = enabled
        self.told_keywords: Mapping[str, str] = NO_KEYWORDS
        self.saved: Sequence[int] = ()
        self.contexts: Contexts | None = None
        self._mirror = mirror
        self._end = end
        self._met = mirror.newest  # what was compared with, which is more than the client may be told
        self._show(mirror.newest)

    def __len__(self) -> int:
        return len(self.uids)

    def close(self) -> None:
        """Be told of nothing any more."""
        self._end()

    @property
    def modseq(self) -> int:
        """All changes up to this one are known here."""
        return self._snapshot.modseq

    @property
    def known(self) -> Known:
        """What is known here and to the other sessions of this process, who may have been told more."""
        return self._mirror.known

    @property
    def keywords(self) -> Mapping[str, str]:
        """Lower-cased → as it was first written."""
        return self._snapshot.keywords

    @property
    def all_flags(self) -> frozenset[str]:
        """Every flag that a message may have: those of the system, and the keywords in use."""
        return frozenset((*SYSTEM_FLAGS, *self.keywords.values()))

    @property
    def stale(self) -> bool:
        """Whether there may be something that `catch_up` has not seen."""
        return self._mirror.stale or self._mirror.newest is not self._met

    @stale.setter
    def stale(self, stale: bool) -> None:
        assert stale
        self._mirror.doubt()

    def spell(self, flags: Iterable[str]) -> frozenset[str]:
        """The flags as this mailbox spells them already: keywords are equal in any case."""
        return frozenset(self.keywords.get(flag.lower(), flag) for flag in flags)

    def index(self, uid: int) -> int | None:
        """Where a UID stands, None if the client does not know it."""
        at = bisect_left(self.uids, uid)
        return at if at < len(self.uids) and self.uids[at] == uid else None

    def indexes(self, uids: Sequence[int]) -> Sequence[int]:
        """Where ascending UIDs stand; those that the client does not know are left out."""
        if not uids:
            return ()
        start = bisect_left(self.uids, uids[0])
        if self.uids[start : start + len(uids)] == array("I", uids):
            return range(start, start + len(uids))
        return [at for uid in uids if (at := self.index(uid)) is not None]

    @property
    def first_unseen(self) -> int | None:
        """The sequence number of the first message without \\Seen."""
        at = self._snapshot.first_unseen
        return None if at is None else at + 1

    # -- choosing messages -------------------------------------------------------------------------

    def choose(self, ranges: Ranges, *, by_uid: bool) -> list[tuple[int, int]]:
        """The messages of a sequence set. A sequence number that is not there is BAD, an unknown UID is
        passed over."""
        return self.by_uids(ranges) if by_uid else self.by_numbers(ranges)

    def by_numbers(self, ranges: Ranges, *, lenient: bool = False) -> list[tuple[int, int]]:
        """The messages of a set of sequence numbers, of which there are none with UIDONLY (RFC 9586 §3).

        lenient: numbers that are not there are passed over, as a search does (RFC 7377 §2).
        """
        if ranges == SAVED:
            return self._saved_spans()
        if Enabled.UIDONLY in self.enabled:
            raise Refused(UID_REQUIRED)
        count = len(self.uids)
        if not count and any(STAR in pair for pair in ranges):
            return []  # 1:* of an empty mailbox is nothing, and nobody's mistake
        found: list[tuple[int, int]] = []
        for low, high in merge(starless(ranges, count)):
            if high > count and not lenient:
                raise bad(f"There is no message {high}, the mailbox has {count}")
            if low <= count:
                found.append((low - 1, min(high, count)))
        return found

    def by_uids(self, ranges: Ranges) -> list[tuple[int, int]]:
        """The messages of a set of UIDs."""
        return self._saved_spans() if ranges == SAVED else uid_spans(self.uids, ranges)

    def definite(self, ranges: Ranges) -> list[tuple[int, int]]:
        """The UIDs that a set means, ascending and disjoint; `*` is the largest one there is."""
        if ranges == SAVED:
            return compress(self.saved)
        return merge(starless(ranges, self.uids[-1] if self.uids else 0))

    def _saved_spans(self) -> list[tuple[int, int]]:
        """Those messages of the saved result that the client still knows."""
        return uid_spans(self.uids, compress(self.saved))

    def uid_ranges(self, selection: Selection) -> list[tuple[int, int]]:
        """The UIDs of a selection for the storage, unknown ones between them included."""
        return [(self.uids[start], self.uids[end - 1]) for start, end in selection]

    # -- what happens ------------------------------------------------------------------------------

    def stored(self, states: States) -> Sequence[int]:
        """Take in what this session has stored, by UID, as told to the client; where these messages stand."""
        is_newest = self._snapshot is self._mirror.newest
        if self.contexts is not None:
            self.contexts.note(states.uids)
        self._mirror.merge(states)
        if is_newest:
            self._met = self._mirror.newest
            self._show(self._mirror.newest)
        else:
            self._show(merged(self._snapshot, states))
        return self.indexes(states.uids)

    async def catch_up(self, *, renumber: bool) -> Update:
        """Learn what has happened elsewhere. renumber: whether messages may go, and the numbers with them."""
        newest = await self._mirror.current() if self._mirror.stale else self._mirror.newest
        if newest is self._snapshot or (newest is self._met and not renumber):
            self._met = newest
            return NOTHING
        known = self._snapshot
        found = self._mirror.difference(known)
        self._met = newest
        added = len(newest.uids) - found.fresh
        if not found.gone or renumber:
            self._show(newest)
            gone_uids = [known.uids[at] for at in found.gone]
            return Update(found.gone, gone_uids, added, found.flagged, found.touched)
        self._show(keeping(known, newest, found.gone))
        flagged = self.indexes([newest.uids[at] for at in found.flagged])
        touched = self.indexes([newest.uids[at] for at in found.touched])
        return Update((), (), added, flagged, touched)

    def _show(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.uids = snapshot.uids
        self.flags = snapshot.flags
        self.modseqs = snapshot.modseqs


def batches(selection: Selection, size: int) -> Iterator[Sequence[int]]:
    """The indexes of the selection, at most `size` at a time; short ranges together."""
    gathered: list[int] = []
    for start, end in selection:
        for at in range(start, end, size):
            part = range(at, min(at + size, end))
            if len(gathered) + len(part) > size:
                yield gathered
                gathered = []
            if len(part) == size:
                yield part
            else:
                gathered += part
    if gathered:
        yield gathered
