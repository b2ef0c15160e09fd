"""Changes of items: as many statements as there are runs of neighbours that change alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update

from hub import ChangeKind, Copied, FlagMode, ItemState, MailboxMissing, UidRanges
from hub_plugin_storage_sql.database import Row, Statement
from hub_plugin_storage_sql.flags import DELETED, SEEN, decoded, encoded
from hub_plugin_storage_sql.ranges import MAX_UID, Range, clipped, runs
from hub_plugin_storage_sql.schema import ITEM, SUMMARY
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction

_b = bindparam
_WITHIN = ITEM.c.id.between(_b("low"), _b("high"))

_STATES = Statement(
    select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq).where(_WITHIN).order_by(ITEM.c.id), "low high"
)
_SIZES = Statement(
    select(ITEM.c.id, ITEM.c.flags, ITEM.c.size).where(_WITHIN).order_by(ITEM.c.id), "low high"
)
_MARKED = Statement(
    select(ITEM.c.id, ITEM.c.flags, ITEM.c.size)
    .where(_WITHIN, ITEM.c.flags.contains(DELETED, autoescape=True))
    .order_by(ITEM.c.id),
    "low high",
)
_SET_FLAGS = Statement(
    update(ITEM).where(_WITHIN).values(flags=_b("new_flags"), modseq=_b("new_modseq")),
    "new_flags new_modseq low high",
)
_DELETE = Statement(delete(ITEM).where(_WITHIN), "low high")
_NEW_MODSEQ = _b("new_modseq", type_=BigInteger)
_KEPT = [column for column in ITEM.c if column.name not in ("id", "modseq", "created_modseq")]
_COPY = Statement(
    insert(ITEM).from_select(
        ["id", "modseq", "created_modseq", *[column.name for column in _KEPT]],
        select(ITEM.c.id + _b("shift", type_=BigInteger), _NEW_MODSEQ, _NEW_MODSEQ, *_KEPT).where(_WITHIN),
    ),
    "shift new_modseq low high",
)

# What lies beside the items goes where they go.
_DELETE_SUMMARIES = Statement(delete(SUMMARY).where(SUMMARY.c.id.between(_b("low"), _b("high"))), "low high")
_COPY_SUMMARIES = Statement(
    insert(SUMMARY).from_select(
        SUMMARY.c.keys(),
        select(
            SUMMARY.c.id + _b("shift", type_=BigInteger), *[each for each in SUMMARY.c if each.name != "id"]
        ).where(SUMMARY.c.id.between(_b("low"), _b("high"))),
    ),
    "shift low high",
)


def store_flags(
    mailbox_id: int, uids: UidRanges, mode: FlagMode, flags: frozenset[str], unchanged_since: int | None
) -> Callable[[Transaction], Sequence[ItemState]]:
    """The work behind `Storage.store_flags`."""
    ranges = clipped(uids)
    change = _flag_change(mode, flags)
    ceiling = 1 << 63 if unchanged_since is None else unchanged_since

    def work(tx: Transaction) -> Sequence[ItemState]:
        mailbox = tx.mailbox(mailbox_id)
        tx.flush()
        after: list[tuple[int, str, int]] = []  # (UID, flags, modseq or 0 if it changes)
        changed: list[tuple[int, int, str]] = []  # neighbours that get the same flags
        touched: list[Range] = []
        unseen = 0
        for low, high in _keys(mailbox, ranges):
            previous = ""
            is_neighbour = False
            for key, old, modseq in tx.connection.rows(_STATES, low, high):
                if modseq > ceiling:
                    is_neighbour = False
                    continue
                uid = key - mailbox.base
                new, newly_unseen = change(old)
                if new == old:
                    after.append((uid, old, modseq))
                    is_neighbour = False
                    continue
                after.append((uid, new, 0))
                unseen += newly_unseen
                if is_neighbour:
                    touched[-1] = (touched[-1][0], uid)
                else:
                    touched.append((uid, uid))
                if is_neighbour and new == previous:
                    changed[-1] = (changed[-1][0], uid, new)
                else:
                    changed.append((uid, uid, new))
                previous, is_neighbour = new, True
        if not changed:
            return [ItemState(uid, decoded(text), modseq) for uid, text, modseq in after]
        now = tx.touch(mailbox, unseen=unseen)
        base = mailbox.base
        tx.connection.many(
            _SET_FLAGS, [(text, now, base + first, base + last) for first, last, text in changed]
        )
        for span in touched:
            tx.log(now, ChangeKind.FLAGGED, mailbox, span)
        return [ItemState(uid, decoded(text), modseq or now) for uid, text, modseq in after]

    return work


def copy(mailbox_id: int, uids: UidRanges, target_id: int) -> Callable[[Transaction], Copied]:
    """The work behind `Storage.copy`."""
    ranges = clipped(uids)

    def work(tx: Transaction) -> Copied:
        mailbox, target = tx.mailbox(mailbox_id), tx.mailbox(target_id)
        if mailbox.account_id != target.account_id:
            raise MailboxMissing(f"the mailbox with the id {target_id} is another account's")
        return Copied(
            target.uidvalidity, tuple(_copy(tx, mailbox, _selected(tx, _SIZES, mailbox, ranges), target))
        )

    return work


def expunge(mailbox_id: int, uids: UidRanges | None) -> Callable[[Transaction], Sequence[int]]:
    """The work behind `Storage.expunge`."""
    ranges = [(1, MAX_UID)] if uids is None else clipped(uids)

    def work(tx: Transaction) -> Sequence[int]:
        mailbox = tx.mailbox(mailbox_id)
        rows = [row for row in _selected(tx, _MARKED, mailbox, ranges) if DELETED in decoded(row[1])]
        return _remove(tx, mailbox, rows)

    return work


def move_all(tx: Transaction, mailbox: MailboxRow, target: MailboxRow) -> None:
    """Every item of one mailbox into another of the same account."""
    rows = _selected(tx, _SIZES, mailbox, [(1, MAX_UID)])
    _copy(tx, mailbox, rows, target)
    _remove(tx, mailbox, rows)


def _flag_change(mode: FlagMode, flags: frozenset[str]) -> Callable[[str], tuple[str, int]]:
    """From the text of the old flags to that of the new ones and what it adds to the count of the unseen."""
    known: dict[str, tuple[str, int]] = {}
    encoded(flags)  # refuses what is no flag, here rather than in the transaction

    def change(text: str) -> tuple[str, int]:
        result = known.get(text)
        if result is None:
            old = decoded(text)
            new = flags if mode is FlagMode.SET else old | flags if mode is FlagMode.ADD else old - flags
            result = known[text] = encoded(new), (SEEN in old) - (SEEN in new)
        return result

    return change


def _keys(mailbox: MailboxRow, ranges: Sequence[Range]) -> list[Range]:
    """Ranges of UIDs as ranges of the items' ids."""
    return [(mailbox.base + first, mailbox.base + last) for first, last in ranges]


def _selected(
    tx: Transaction, statement: Statement, mailbox: MailboxRow, ranges: Sequence[Range]
) -> list[Row]:
    """(UID, flags, size) of the items of those UIDs that the statement finds."""
    tx.flush()
    base = mailbox.base
    return [
        (key - base, text, size)
        for low, high in _keys(mailbox, ranges)
        for key, text, size in tx.connection.rows(statement, low, high)
    ]


def _copy(
    tx: Transaction, mailbox: MailboxRow, rows: Sequence[Row], target: MailboxRow
) -> list[tuple[int, int]]:
    if not rows:
        return []
    first = target.take_uids(len(rows))
    modseq = tx.touch(target, messages=len(rows), unseen=_unseen(rows), size=sum(size for _, _, size in rows))
    pairs = [(row[0], uid) for uid, row in enumerate(rows, first)]
    new_uid = dict(pairs)
    shifts = [
        (target.base + new_uid[low] - mailbox.base - low, mailbox.base + low, mailbox.base + high)
        for low, high in runs([uid for uid, _ in pairs])
    ]
    tx.connection.many(_COPY, [(shift, modseq, low, high) for shift, low, high in shifts])
    tx.connection.many(_COPY_SUMMARIES, shifts)
    tx.log(modseq, ChangeKind.APPENDED, target, (first, target.uidnext - 1))
    return pairs


def _remove(tx: Transaction, mailbox: MailboxRow, rows: Sequence[Row]) -> list[int]:
    if not rows:
        return []
    uids = [row[0] for row in rows]
    modseq = tx.touch(
        mailbox, messages=-len(rows), unseen=-_unseen(rows), size=-sum(size for _, _, size in rows)
    )
    gone = runs(uids)
    tx.connection.many(_DELETE, _keys(mailbox, gone))
    tx.connection.many(_DELETE_SUMMARIES, _keys(mailbox, gone))
    for span in gone:
        tx.log(modseq, ChangeKind.EXPUNGED, mailbox, span)
    return uids


def _unseen(rows: Sequence[Row]) -> int:
    return sum(SEEN not in decoded(text) for _, text, _ in rows)
