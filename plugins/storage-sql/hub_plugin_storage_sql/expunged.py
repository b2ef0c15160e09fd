"""What was expunged and can be had back for a while: listed, put back, read, and forgotten in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from sqlalchemy import bindparam, delete, select, true, update

from hub import AccountRef, ChangeKind, Expunged, Item, Placed, UidRanges
from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.flags import DELETED, SEEN, decoded, encoded
from hub_plugin_storage_sql.keeping import forget
from hub_plugin_storage_sql.mailboxes import canonical, ensure_account, ensure_mailbox
from hub_plugin_storage_sql.ranges import MAX_UID, clipped, runs, within
from hub_plugin_storage_sql.schema import COPIED, EXPUNGED, MESSAGE, UID_BITS
from hub_plugin_storage_sql.transaction import Transaction
from hub_plugin_storage_sql.viewing import account_id

_b = bindparam

_WAS_ITEM = MESSAGE.c.id == EXPUNGED.c.item_id
_ITEM = (
    EXPUNGED.c.item_id,
    EXPUNGED.c.flags,
    EXPUNGED.c.modseq,
    MESSAGE.c.blob,
    MESSAGE.c.lines,
    MESSAGE.c.head_size,
    EXPUNGED.c.size,
    MESSAGE.c.internal_date,
    MESSAGE.c.message_id,
    MESSAGE.c.saved_at,
)
_ROW = (
    select(EXPUNGED.c.id, EXPUNGED.c.name, EXPUNGED.c.at, *_ITEM)
    .join(MESSAGE, _WAS_ITEM)
    .where(EXPUNGED.c.account_id == _b("account"), EXPUNGED.c.id > _b("after"), ~EXPUNGED.c.elsewhere)
    .order_by(EXPUNGED.c.id)
    .limit(_b("most"))
)
_LIST = Statement(_ROW, "account after most")
_LIST_OF = Statement(_ROW.where(EXPUNGED.c.name == _b("mailbox_name")), "account after most mailbox_name")

_GONE = Statement(
    select(*_ITEM).join(MESSAGE, _WAS_ITEM).where(within(EXPUNGED.c.item_id)).order_by(EXPUNGED.c.item_id),
    "low high",
)

# What is taken is locked, so that nobody forgets it meanwhile, and cannot be had again.
_TAKE = Statement(
    update(EXPUNGED)
    .where(EXPUNGED.c.id == _b("row"), EXPUNGED.c.account_id == _b("account"), ~EXPUNGED.c.elsewhere)
    .values(elsewhere=true()),
    "row account",
)
_TAKEN = Statement(
    select(EXPUNGED.c.name, EXPUNGED.c.flags, EXPUNGED.c.size, *COPIED)
    .join(MESSAGE, _WAS_ITEM)
    .where(EXPUNGED.c.id == _b("row")),
    "row",
)

# Ids rise with time: of the oldest few, those that are too old; the rest of the table is not looked at.
_OLDEST = select(EXPUNGED.c.id).order_by(EXPUNGED.c.id).limit(_b("most")).subquery()
_TOO_OLD = Statement(
    select(EXPUNGED.c.id, EXPUNGED.c.item_id)
    .where(EXPUNGED.c.id.in_(select(_OLDEST.c.id)), EXPUNGED.c.at < _b("before"))
    .order_by(EXPUNGED.c.id)
    .with_for_update(),
    "most before",
)
_PURGE = Statement(delete(EXPUNGED).where(within(EXPUNGED.c.id)), "low high")
_FIRST = Statement(select(EXPUNGED.c.at).order_by(EXPUNGED.c.id).limit(1))


def listed(db: Reads, account: AccountRef, mailbox: str | None, after: int, limit: int) -> Sequence[Expunged]:
    """By id, those behind `after`, of one mailbox or of all."""
    owner = account_id(db, account)
    if owner is None:
        return []
    if mailbox is None:
        rows = db.rows(_LIST, owner, after, limit)
    else:
        rows = db.rows(_LIST_OF, owner, after, limit, canonical(mailbox))
    return [
        Expunged(id_, name, at, Item(key & MAX_UID, decoded(flags), *rest))
        for id_, name, at, key, flags, *rest in rows
    ]


def gone(db: Reads, mailbox: int, uids: UidRanges) -> Sequence[Item]:
    """What is kept of the items of those UIDs, by UID."""
    base = mailbox << UID_BITS
    return [
        Item(key - base, decoded(flags), *rest)
        for low, high in clipped(uids)
        for key, flags, *rest in db.rows(_GONE, base + low, base + high)
    ]


def undelete(
    ref: AccountRef, ids: Sequence[int], mailbox: str | None
) -> Callable[[Transaction], Sequence[Placed]]:
    """The work behind `Storage.undelete`."""

    def work(tx: Transaction) -> Sequence[Placed]:
        account = tx.find_account(ref)
        if account is None:
            return []
        rows: list[Row] = []
        for id_ in dict.fromkeys(ids):
            if tx.connection.run(_TAKE, id_, account.id):
                rows += tx.connection.rows(_TAKEN, id_)
        return [
            placed
            for name, group in groupby(rows, key=lambda row: mailbox or row[0])
            for placed in _put_back(tx, ref, name, list(group))
        ]

    return work


def _put_back(tx: Transaction, ref: AccountRef, name: str, rows: Sequence[Row]) -> list[Placed]:
    box = ensure_mailbox(tx, ensure_account(tx, ref), name)
    first = box.take_uids(len(rows))
    flags = [decoded(text) - {DELETED} for _, text, *_ in rows]
    modseq = tx.touch(
        box,
        messages=len(rows),
        unseen=sum(SEEN not in each for each in flags),
        size=sum(size for _, _, size, *_ in rows),
    )
    uids = range(first, first + len(rows))
    for uid, each, (_, _, size, *message) in zip(uids, flags, rows, strict=True):
        tx.add_item(box.base + uid, encoded(each), modseq, size, *message)
    tx.log(modseq, ChangeKind.APPENDED, box, (first, uids[-1]))
    return [Placed(ref, box.name, box.id, uid) for uid in uids]


def purge(before: float, limit: int) -> Callable[[Transaction], int]:
    """The work behind `Storage.purge_expunged`."""

    def work(tx: Transaction) -> int:
        rows = tx.connection.rows(_TOO_OLD, limit, before)
        forget(tx.connection, runs(sorted(key for _, key in rows)))
        tx.connection.many(_PURGE, runs([id_ for id_, _ in rows]))
        return len(rows)

    return work


def has_older(db: Reads, before: float) -> bool:
    """Whether `purge` would find anything."""
    row = db.row(_FIRST)
    return row is not None and row[0] < before
