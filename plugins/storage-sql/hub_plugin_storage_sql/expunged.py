"""What was expunged and can be had back for a while: listed, put back, read, and forgotten in the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from sqlalchemy import BigInteger, Text, and_, bindparam, delete, insert, literal_column, select, true, update

from hub import AccountRef, ChangeKind, Expunged, Item, Placed, UidRanges
from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.flags import DELETED, SEEN, decoded, encoded
from hub_plugin_storage_sql.keeping import KEPT
from hub_plugin_storage_sql.mailboxes import canonical, ensure_account, ensure_mailbox
from hub_plugin_storage_sql.ranges import clipped
from hub_plugin_storage_sql.schema import EXPUNGED, ITEM, SUMMARY, UID_BITS
from hub_plugin_storage_sql.transaction import Transaction
from hub_plugin_storage_sql.viewing import account_id

_b = bindparam

_ITEM = (
    EXPUNGED.c.uid,
    EXPUNGED.c.flags,
    EXPUNGED.c.modseq,
    EXPUNGED.c.blob,
    EXPUNGED.c.lines,
    EXPUNGED.c.head_size,
    EXPUNGED.c.size,
    EXPUNGED.c.internal_date,
    EXPUNGED.c.message_id,
    EXPUNGED.c.saved_at,
)
_ROW = (
    select(EXPUNGED.c.id, EXPUNGED.c.name, EXPUNGED.c.at, *_ITEM)
    .where(EXPUNGED.c.account_id == _b("account"), EXPUNGED.c.id > _b("after"), ~EXPUNGED.c.elsewhere)
    .order_by(EXPUNGED.c.id)
    .limit(_b("most"))
)
_LIST = Statement(_ROW, "account after most")
_LIST_OF = Statement(_ROW.where(EXPUNGED.c.name == _b("mailbox_name")), "account after most mailbox_name")

_GONE = Statement(
    select(*_ITEM)
    .where(EXPUNGED.c.collection_id == _b("mailbox"), EXPUNGED.c.uid.between(_b("low"), _b("high")))
    .order_by(EXPUNGED.c.uid),
    "mailbox low high",
)

# What is taken is locked, so that nobody forgets it meanwhile, and cannot be had again.
_TAKE = Statement(
    update(EXPUNGED)
    .where(EXPUNGED.c.id == _b("row"), EXPUNGED.c.account_id == _b("account"), ~EXPUNGED.c.elsewhere)
    .values(elsewhere=true()),
    "row account",
)
_TAKEN = Statement(
    select(EXPUNGED.c.id, EXPUNGED.c.name, EXPUNGED.c.flags, EXPUNGED.c.size).where(
        EXPUNGED.c.id == _b("row")
    ),
    "row",
)
_COPIED = [name for name in KEPT if name not in ("flags", "modseq", "saved_at")]
_NEW_MODSEQ = _b("new_modseq", type_=BigInteger)
_PUT_BACK = Statement(
    insert(ITEM).from_select(
        ["id", "flags", "modseq", "created_modseq", "saved_at", *_COPIED],
        select(
            _b("new_id", type_=BigInteger),
            _b("new_flags", type_=Text),
            _NEW_MODSEQ,
            _NEW_MODSEQ,
            _b("saved", type_=BigInteger),
            *(EXPUNGED.c[name] for name in _COPIED),
        ).where(EXPUNGED.c.id == _b("row")),
    ),
    "new_id new_flags new_modseq saved row",
)

# Ids rise with time: of the oldest few, those that are too old; the rest of the table is not looked at.
_OLDEST = select(EXPUNGED.c.id, EXPUNGED.c.at).order_by(EXPUNGED.c.id).limit(_b("most")).subquery()
_TOO_OLD = and_(
    EXPUNGED.c.id.in_(select(_OLDEST.c.id).where(_OLDEST.c.at < _b("before"))), EXPUNGED.c.at < _b("before")
)
_ITEM_ID = EXPUNGED.c.collection_id * literal_column(str(1 << UID_BITS), BigInteger) + EXPUNGED.c.uid
# To delete a summary costs more than the expunge itself, so that it stays until nobody waits.
_PURGE_SUMMARIES = Statement(
    delete(SUMMARY).where(SUMMARY.c.id.in_(select(_ITEM_ID).where(_TOO_OLD))), "most before"
)
_PURGE = Statement(delete(EXPUNGED).where(_TOO_OLD), "most before")
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
        Expunged(id_, name, at, Item(uid, decoded(flags), *rest)) for id_, name, at, uid, flags, *rest in rows
    ]


def gone(db: Reads, mailbox: int, uids: UidRanges) -> Sequence[Item]:
    """What is kept of the items of those UIDs, by UID."""
    return [
        Item(uid, decoded(flags), *rest)
        for low, high in clipped(uids)
        for uid, flags, *rest in db.rows(_GONE, mailbox, low, high)
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
            for name, group in groupby(rows, key=lambda row: mailbox or row[1])
            for placed in _put_back(tx, ref, name, list(group))
        ]

    return work


def _put_back(tx: Transaction, ref: AccountRef, name: str, rows: Sequence[Row]) -> list[Placed]:
    box = ensure_mailbox(tx, ensure_account(tx, ref), name)
    first = box.take_uids(len(rows))
    flags = [decoded(text) - {DELETED} for _, _, text, _ in rows]
    modseq = tx.touch(
        box,
        messages=len(rows),
        unseen=sum(SEEN not in each for each in flags),
        size=sum(size for *_, size in rows),
    )
    uids = range(first, first + len(rows))
    tx.connection.many(
        _PUT_BACK,
        [
            (box.base + uid, encoded(each), modseq, int(tx.now), row[0])
            for uid, each, row in zip(uids, flags, rows, strict=True)
        ],
    )
    tx.log(modseq, ChangeKind.APPENDED, box, (first, uids[-1]))
    return [Placed(ref, box.name, box.id, uid) for uid in uids]


def purge(before: float, limit: int) -> Callable[[Transaction], int]:
    """The work behind `Storage.purge_expunged`."""

    def work(tx: Transaction) -> int:
        tx.connection.run(_PURGE_SUMMARIES, limit, before)
        return tx.connection.run(_PURGE, limit, before)

    return work


def has_older(db: Reads, before: float) -> bool:
    """Whether `purge` would find anything."""
    row = db.row(_FIRST)
    return row is not None and row[0] < before
