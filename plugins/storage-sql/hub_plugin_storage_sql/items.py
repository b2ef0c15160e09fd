"""Changes of items: as many statements as there are runs of neighbours that change alike."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy import bindparam, delete, select, update

from hub import AccountRef, ChangeKind, FlagMode, Known, States, UidRanges
from hub_plugin_storage_sql.columns import SIZES, STATES, Columns, columns, pieces
from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.flags import DELETED, SEEN, decoded, encoded
from hub_plugin_storage_sql.keeping import forget, keep
from hub_plugin_storage_sql.ranges import MAX_UID, Range, clipped, merged, runs, within
from hub_plugin_storage_sql.schema import ITEM
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import forget_seen, see, unsee, viewed, viewer_id, with_seen

_b = bindparam
_WITHIN = within(ITEM.c.id)

_STATES = Statement(STATES, "base low high")
_STATES_SEEN = Statement(
    with_seen(select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq).where(_WITHIN).order_by(ITEM.c.id)),
    "low high viewer",
)
_ONE = Statement(SIZES, "base low high")
_MARKED = Statement(SIZES.where(ITEM.c.flags.contains(DELETED, autoescape=True)), "base low high")
_SET_FLAGS = Statement(
    update(ITEM).where(_WITHIN).values(flags=_b("new_flags"), modseq=_b("new_modseq")),
    "new_flags new_modseq low high",
)
_DELETE = Statement(delete(ITEM).where(_WITHIN), "low high")

F = TypeVar("F")
"""The flags of an item: a text as they are stored, for others also whether it was seen; a set where they are
remembered."""
Viewed: TypeAlias = tuple[str, bool]


class _Found(Generic[F]):
    """Items of a mailbox, by UID, and what becomes of their flags; neighbours that have the same go together.

    change: from flags to the new ones and what that adds to the count of the unseen. shown: as they are told.

    changed: (first UID, last UID, new flags) of neighbours that get the same. touched: ranges that hold those
    and no other item. unseen: what is added to the mailbox's count.
    """

    def __init__(self, change: Callable[[F], tuple[F, int]], shown: Callable[[F], frozenset[str]]) -> None:
        self._change = change
        self._shown = shown
        self._uids = array("I")
        self._modseqs = array("Q")
        self._after: list[frozenset[str]] = []
        self._spans: list[tuple[int, int]] = []  # half-open, of the places of those that change
        self.changed: list[tuple[int, int, F]] = []
        self.touched: list[Range] = []
        self.unseen = 0

    def add(self, items: Columns[F], unchanged_since: int | None) -> None:
        """Those of a range that have not changed since, or all."""
        for part in items.until(unchanged_since):
            self._add(part.uids, part.flags, part.figures)

    def _add(self, uids: array[int], flags: Sequence[F], modseqs: array[int]) -> None:
        at, begin, is_touched = 0, len(self._uids), False
        self._uids += uids
        self._modseqs += modseqs
        for old, group in groupby(flags):
            end = at + len(list(group))
            new, newly_unseen = self._change(old)
            self._after += [self._shown(new)] * (end - at)
            if new != old:
                self.unseen += newly_unseen * (end - at)
                self._note(uids[at], uids[end - 1], new, is_touched)
                self._spans.append((begin + at, begin + end))
            at, is_touched = end, new != old

    def states(self, now: int) -> States:
        """All of them as they are now; those that change have that modseq."""
        for start, end in self._spans:
            self._modseqs[start:end] = array("Q", [now]) * (end - start)
        return States(self._uids, self._after, self._modseqs)

    def _note(self, first: int, last: int, new: F, follows: bool) -> None:
        """follows: so does the neighbour before them."""
        if not follows:
            self.touched.append((first, last))
            self.changed.append((first, last, new))
            return
        self.touched[-1] = (self.touched[-1][0], last)
        if self.changed[-1][2] == new:
            self.changed[-1] = (self.changed[-1][0], last, new)
        else:
            self.changed.append((first, last, new))


def store_flags(
    mailbox_id: int,
    uids: UidRanges,
    mode: FlagMode,
    flags: frozenset[str],
    unchanged_since: int | None,
    viewer: AccountRef | None,
    known: Known | None,
) -> Callable[[Transaction], States]:
    """The work behind `Storage.store_flags`."""
    ranges = clipped(uids)
    encoded(flags)  # refuses what is no flag, here rather than in the transaction

    def work(tx: Transaction) -> States:
        mailbox = tx.mailbox(mailbox_id)
        tx.flush()
        watching = viewer_id(tx.connection, viewer, mailbox.account_id)
        if watching is not None:
            return _store_for(tx, mailbox, ranges, _change_for(mode, flags), unchanged_since, watching)
        if known is not None and known.modseq == mailbox.highest_modseq:
            return _store_known(tx, mailbox, ranges, _set_change(mode, flags), unchanged_since, known.states)
        found = _Found(_flag_change(mode, flags), decoded)
        for each in pieces(tx.connection, _STATES, mailbox.id, ranges):
            found.add(each, unchanged_since)
        now = _write(tx, mailbox, found, [text for _, _, text in found.changed])
        return found.states(now)

    return work


def _store_known(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    change: Callable[[frozenset[str]], tuple[frozenset[str], int]],
    unchanged_since: int | None,
    states: States,
) -> States:
    """The same where the items stand as whoever asks has them, so that none is read."""
    found = _Found(change, lambda new: new)
    there = Columns(states.uids, states.flags, states.modseqs)
    for first, last in merged(ranges):
        found.add(there.within(first, last), unchanged_since)
    now = _write(tx, mailbox, found, [encoded(new) for _, _, new in found.changed])
    return found.states(now)


def _store_for(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    change: Callable[[Viewed], tuple[Viewed, int]],
    unchanged_since: int | None,
    viewer: int,
) -> States:
    """The same for somebody else than the owner, with a \\Seen of his own."""
    found = _Found(change, lambda state: viewed(*state))
    for low, high in keys_of(mailbox, ranges):
        rows = tx.connection.rows(_STATES_SEEN, low, high, viewer)
        uids = array("I", [row[0] - mailbox.base for row in rows])
        states = [(text, seen is not None) for _, text, _, seen in rows]
        found.add(Columns(uids, states, array("Q", [row[2] for row in rows])), unchanged_since)
    now = _write(tx, mailbox, found, [text for _, _, (text, _) in found.changed])
    unsee(tx.connection, viewer, keys_of(mailbox, [(first, last) for first, last, _ in found.changed]))
    newly_seen = [(first, last) for first, last, (_, is_seen) in found.changed if is_seen]
    see(tx.connection, viewer, keys_of(mailbox, newly_seen))
    return found.states(now)


def _write(tx: Transaction, mailbox: MailboxRow, found: _Found[F], texts: Sequence[str]) -> int:
    """The new modseq; 0 if nothing changes."""
    if not found.changed:
        return 0
    now = tx.touch(mailbox, unseen=found.unseen)
    base = mailbox.base
    tx.connection.many(
        _SET_FLAGS,
        [
            (text, now, base + first, base + last)
            for text, (first, last, _) in zip(texts, found.changed, strict=True)
        ],
    )
    for span in found.touched:
        tx.log(now, ChangeKind.FLAGGED, mailbox, span)
    return now


def expunge(mailbox_id: int, uids: UidRanges | None, *, kept: bool) -> Callable[[Transaction], Sequence[int]]:
    """The work behind `Storage.expunge`."""
    ranges = [(1, MAX_UID)] if uids is None else clipped(uids)

    def work(tx: Transaction) -> Sequence[int]:
        mailbox = tx.mailbox(mailbox_id)
        marked = selected(tx, _MARKED, mailbox, ranges)
        if any(DELETED not in decoded(text) for text in set(marked.flags)):  # but another that begins like it
            marked = marked.at([at for at, text in enumerate(marked.flags) if DELETED in decoded(text)])
        return remove(tx, mailbox, marked, kept=kept)

    return work


def expunge_one(tx: Transaction, mailbox: MailboxRow, uid: int, *, kept: bool) -> None:
    """An item whatever its flags, if it is there."""
    remove(tx, mailbox, selected(tx, _ONE, mailbox, [(uid, uid)]), kept=kept)


def remove(
    tx: Transaction, mailbox: MailboxRow, items: Columns[str], *, kept: bool, moved: bool = False
) -> list[int]:
    """Remove items, of which sizes are known; their UIDs. kept: so that they can be had back, or if they are
    only moved, be read by who was not told yet."""
    if not items:
        return []
    modseq = tx.touch(
        mailbox, messages=-len(items), unseen=-count_unseen(items.flags), size=-sum(items.figures)
    )
    gone = runs(items.uids)
    keys = keys_of(mailbox, gone)
    if kept:
        keep(tx, mailbox, keys, elsewhere=moved)
    else:
        forget(tx.connection, keys)
    forget_seen(tx.connection, keys)
    tx.connection.many(_DELETE, keys)
    for span in gone:
        tx.log(modseq, ChangeKind.EXPUNGED, mailbox, span)
    return items.uids.tolist()


def keys_of(mailbox: MailboxRow, ranges: Sequence[Range]) -> list[Range]:
    """Ranges of UIDs as ranges of the items' ids."""
    return [(mailbox.base + first, mailbox.base + last) for first, last in ranges]


def selected(
    tx: Transaction, statement: Statement, mailbox: MailboxRow, ranges: Sequence[Range]
) -> Columns[str]:
    """The items of those UIDs that the statement finds, with their sizes."""
    tx.flush()
    return columns(tx.connection, statement, mailbox.id, ranges)


def count_unseen(flags: Sequence[str]) -> int:
    """How many of items with these flags their owner has not seen."""
    return sum(count for text, count in Counter(flags).items() if SEEN not in decoded(text))


def _flag_change(mode: FlagMode, flags: frozenset[str]) -> Callable[[str], tuple[str, int]]:
    """From the text of the old flags to that of the new ones and what it adds to the count of the unseen."""
    known: dict[str, tuple[str, int]] = {}

    def change(text: str) -> tuple[str, int]:
        result = known.get(text)
        if result is None:
            old = decoded(text)
            new = _combined(mode, old, flags)
            result = known[text] = encoded(new), (SEEN in old) - (SEEN in new)
        return result

    return change


def _set_change(
    mode: FlagMode, flags: frozenset[str]
) -> Callable[[frozenset[str]], tuple[frozenset[str], int]]:
    """The same where the old flags are a set already."""
    known: dict[frozenset[str], tuple[frozenset[str], int]] = {}

    def change(old: frozenset[str]) -> tuple[frozenset[str], int]:
        result = known.get(old)
        if result is None:
            new = decoded(encoded(_combined(mode, old, flags)))
            result = known[old] = new, (SEEN in old) - (SEEN in new)
        return result

    return change


def _change_for(mode: FlagMode, flags: frozenset[str]) -> Callable[[Viewed], tuple[Viewed, int]]:
    """The same for who has a \\Seen of his own: the owner's stays as it is, and so does the count."""
    known: dict[Viewed, tuple[Viewed, int]] = {}

    def change(state: Viewed) -> tuple[Viewed, int]:
        result = known.get(state)
        if result is None:
            new = _combined(mode, viewed(*state), flags)
            kept = decoded(state[0]) & {SEEN}
            result = known[state] = (encoded(new - {SEEN} | kept), SEEN in new), 0
        return result

    return change


def _combined(mode: FlagMode, old: frozenset[str], flags: frozenset[str]) -> frozenset[str]:
    return flags if mode is FlagMode.SET else old | flags if mode is FlagMode.ADD else old - flags
