"""Changes of items: as many statements as there are runs of neighbours that change alike."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import bindparam, delete, select, update

from hub import AccountRef, ChangeKind, FlagMode, States, UidRanges
from hub_plugin_storage_sql.database import Row, Statement
from hub_plugin_storage_sql.flags import DELETED, SEEN, decoded, encoded
from hub_plugin_storage_sql.keeping import keep
from hub_plugin_storage_sql.ranges import MAX_UID, Range, clipped, runs
from hub_plugin_storage_sql.schema import ITEM, SUMMARY
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import forget_seen, see, unsee, viewed, viewer_id, with_seen

_b = bindparam
_WITHIN = ITEM.c.id.between(_b("low"), _b("high"))

_STATE = select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq).where(_WITHIN).order_by(ITEM.c.id)
_STATES = Statement(_STATE, "low high")
_STATES_SEEN = Statement(with_seen(_STATE), "low high viewer")
_MARKED = Statement(
    select(ITEM.c.id, ITEM.c.flags, ITEM.c.size)
    .where(_WITHIN, ITEM.c.flags.contains(DELETED, autoescape=True))
    .order_by(ITEM.c.id),
    "low high",
)
_ONE = Statement(select(ITEM.c.id, ITEM.c.flags, ITEM.c.size).where(_WITHIN), "low high")
_SET_FLAGS = Statement(
    update(ITEM).where(_WITHIN).values(flags=_b("new_flags"), modseq=_b("new_modseq")),
    "new_flags new_modseq low high",
)
_DELETE = Statement(delete(ITEM).where(_WITHIN), "low high")
# What lies beside the items goes where they go.
_DELETE_SUMMARIES = Statement(delete(SUMMARY).where(SUMMARY.c.id.between(_b("low"), _b("high"))), "low high")

F = TypeVar("F")
"""The flags of an item as they are stored: a text for the owner; for others also whether it was seen."""
Viewed: TypeAlias = tuple[str, bool]


class _Found(Generic[F]):
    """Items of a mailbox, by UID, and what becomes of their flags; neighbours that have the same go together.

    changed: (first UID, last UID, new flags) of neighbours that get the same. touched: ranges that hold those
    and no other item. unseen: what is added to the mailbox's count.
    """

    def __init__(self, change: Callable[[F], tuple[F, int]]) -> None:
        self._change = change
        self._uids = array("I")
        self._modseqs = array("Q")
        self._after: list[F] = []
        self._spans: list[tuple[int, int]] = []  # half-open, of the places of those that change
        self.changed: list[tuple[int, int, F]] = []
        self.touched: list[Range] = []
        self.unseen = 0

    def add(self, uids: array[int], flags: Sequence[F], modseqs: array[int]) -> None:
        """Items with no other between them."""
        at, begin, is_touched = 0, len(self._uids), False
        self._uids += uids
        self._modseqs += modseqs
        for old, group in groupby(flags):
            end = at + len(list(group))
            new, newly_unseen = self._change(old)
            self._after += [new] * (end - at)
            if new != old:
                self.unseen += newly_unseen * (end - at)
                self._note(uids[at], uids[end - 1], new, is_touched)
                self._spans.append((begin + at, begin + end))
            at, is_touched = end, new != old

    def states(self, now: int, flags: Callable[[F], frozenset[str]]) -> States:
        """All of them as they are now; those that change have that modseq."""
        for start, end in self._spans:
            self._modseqs[start:end] = array("Q", [now]) * (end - start)
        return States(self._uids, list(map(flags, self._after)), self._modseqs)

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
        found = _Found(_flag_change(mode, flags))
        for low, high in keys_of(mailbox, ranges):
            for keys, texts, modseqs in _columns(tx.connection.rows(_STATES, low, high), unchanged_since):
                found.add(_uids(mailbox, keys), texts, array("Q", modseqs))
        now = _write(tx, mailbox, found, [text for _, _, text in found.changed])
        return found.states(now, decoded)

    return work


def _store_for(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    change: Callable[[Viewed], tuple[Viewed, int]],
    unchanged_since: int | None,
    viewer: int,
) -> States:
    """The same for somebody else than the owner, with a \\Seen of his own."""
    found = _Found(change)
    for low, high in keys_of(mailbox, ranges):
        rows = tx.connection.rows(_STATES_SEEN, low, high, viewer)
        for keys, texts, modseqs, seen in _columns(rows, unchanged_since):
            flags = [(text, each is not None) for text, each in zip(texts, seen, strict=True)]
            found.add(_uids(mailbox, keys), flags, array("Q", modseqs))
    now = _write(tx, mailbox, found, [text for _, _, (text, _) in found.changed])
    unsee(tx.connection, viewer, keys_of(mailbox, [(first, last) for first, last, _ in found.changed]))
    newly_seen = [(first, last) for first, last, (_, is_seen) in found.changed if is_seen]
    see(tx.connection, viewer, keys_of(mailbox, newly_seen))
    return found.states(now, lambda state: viewed(*state))


def _columns(rows: Sequence[Row], ceiling: int | None) -> Iterator[tuple[Any, ...]]:
    """The columns of rows, the modseq third; cut where rows are left out that changed after the ceiling."""
    if ceiling is None:
        if rows:
            yield tuple(zip(*rows, strict=True))
        return
    for is_old, group in groupby(rows, key=lambda row: row[2] <= ceiling):
        if is_old:
            yield tuple(zip(*group, strict=True))


def _uids(mailbox: MailboxRow, keys: Sequence[int]) -> array[int]:
    return array("I", [key - mailbox.base for key in keys])


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
        rows = [row for row in selected(tx, _MARKED, mailbox, ranges) if DELETED in decoded(row[1])]
        return remove(tx, mailbox, rows, kept=kept)

    return work


def expunge_one(tx: Transaction, mailbox: MailboxRow, uid: int, *, kept: bool) -> None:
    """An item whatever its flags, if it is there."""
    remove(tx, mailbox, selected(tx, _ONE, mailbox, [(uid, uid)]), kept=kept)


def remove(
    tx: Transaction, mailbox: MailboxRow, rows: Sequence[Row], *, kept: bool, moved: bool = False
) -> list[int]:
    """Remove items, (UID, flags, size) in order; their UIDs. kept: so that they can be had back, or if they
    are only moved, be read by who was not told yet."""
    if not rows:
        return []
    uids = [row[0] for row in rows]
    modseq = tx.touch(
        mailbox, messages=-len(rows), unseen=-count_unseen(rows), size=-sum(size for _, _, size in rows)
    )
    gone = runs(uids)
    keys = keys_of(mailbox, gone)
    if kept:
        keep(tx, mailbox, keys, elsewhere=moved)
    forget_seen(tx.connection, keys)
    tx.connection.many(_DELETE, keys)
    tx.connection.many(_DELETE_SUMMARIES, keys)
    for span in gone:
        tx.log(modseq, ChangeKind.EXPUNGED, mailbox, span)
    return uids


def keys_of(mailbox: MailboxRow, ranges: Sequence[Range]) -> list[Range]:
    """Ranges of UIDs as ranges of the items' ids."""
    return [(mailbox.base + first, mailbox.base + last) for first, last in ranges]


def selected(
    tx: Transaction, statement: Statement, mailbox: MailboxRow, ranges: Sequence[Range]
) -> list[Row]:
    """(UID, flags, size) of the items of those UIDs that the statement finds."""
    tx.flush()
    base = mailbox.base
    return [
        (key - base, text, size)
        for low, high in keys_of(mailbox, ranges)
        for key, text, size in tx.connection.rows(statement, low, high)
    ]


def count_unseen(rows: Sequence[Row]) -> int:
    """How many of items, (UID, flags, size), their owner has not seen."""
    return sum(SEEN not in decoded(text) for _, text, _ in rows)


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
