"""Changes of items: as many statements as there are runs of neighbours that change alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from sqlalchemy import bindparam, delete, select, update

from hub import AccountRef, ChangeKind, FlagMode, ItemState, UidRanges
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


@dataclass(slots=True)
class _Changes(Generic[F]):
    """after: (UID, flags, modseq or 0 if it changes). changed: neighbours that get the same flags."""

    after: list[tuple[int, F, int]] = field(default_factory=list)
    changed: list[tuple[int, int, F]] = field(default_factory=list)
    touched: list[Range] = field(default_factory=list)
    unseen: int = 0

    def add(
        self,
        rows: Iterable[tuple[int, F, int]],
        base: int,
        change: Callable[[F], tuple[F, int]],
        ceiling: int,
    ) -> None:
        """Items of one range: (id, flags, modseq)."""
        after, changed, touched = self.after, self.changed, self.touched
        previous: F | None = None  # what the neighbour gets, if it changes
        for key, old, modseq in rows:
            if modseq > ceiling:
                previous = None
                continue
            uid = key - base
            new, newly_unseen = change(old)
            if new == old:
                after.append((uid, old, modseq))
                previous = None
                continue
            after.append((uid, new, 0))
            self.unseen += newly_unseen
            if previous is None:
                touched.append((uid, uid))
            else:
                touched[-1] = (touched[-1][0], uid)
            if new == previous:
                changed[-1] = (changed[-1][0], uid, new)
            else:
                changed.append((uid, uid, new))
            previous = new


def store_flags(
    mailbox_id: int,
    uids: UidRanges,
    mode: FlagMode,
    flags: frozenset[str],
    unchanged_since: int | None,
    viewer: AccountRef | None,
) -> Callable[[Transaction], Sequence[ItemState]]:
    """The work behind `Storage.store_flags`."""
    ranges = clipped(uids)
    encoded(flags)  # refuses what is no flag, here rather than in the transaction
    ceiling = 1 << 63 if unchanged_since is None else unchanged_since

    def work(tx: Transaction) -> Sequence[ItemState]:
        mailbox = tx.mailbox(mailbox_id)
        tx.flush()
        watching = viewer_id(tx.connection, viewer, mailbox.account_id)
        if watching is not None:
            return _store_for(tx, mailbox, ranges, _change_for(mode, flags), ceiling, watching)
        found: _Changes[str] = _Changes()
        change = _flag_change(mode, flags)
        for low, high in keys_of(mailbox, ranges):
            found.add(tx.connection.rows(_STATES, low, high), mailbox.base, change, ceiling)
        now = _write(tx, mailbox, found, [text for _, _, text in found.changed])
        return [ItemState(uid, decoded(text), modseq or now) for uid, text, modseq in found.after]

    return work


def _store_for(
    tx: Transaction,
    mailbox: MailboxRow,
    ranges: Sequence[Range],
    change: Callable[[Viewed], tuple[Viewed, int]],
    ceiling: int,
    viewer: int,
) -> Sequence[ItemState]:
    """The same for somebody else than the owner, with a \\Seen of his own."""
    found: _Changes[Viewed] = _Changes()
    for low, high in keys_of(mailbox, ranges):
        rows = [
            (key, (text, seen is not None), modseq)
            for key, text, modseq, seen in tx.connection.rows(_STATES_SEEN, low, high, viewer)
        ]
        found.add(rows, mailbox.base, change, ceiling)
    now = _write(tx, mailbox, found, [text for _, _, (text, _) in found.changed])
    unsee(tx.connection, viewer, keys_of(mailbox, [(first, last) for first, last, _ in found.changed]))
    newly_seen = [(first, last) for first, last, (_, is_seen) in found.changed if is_seen]
    see(tx.connection, viewer, keys_of(mailbox, newly_seen))
    return [ItemState(uid, viewed(*state), modseq or now) for uid, state, modseq in found.after]


def _write(tx: Transaction, mailbox: MailboxRow, found: _Changes[F], texts: Sequence[str]) -> int:
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
