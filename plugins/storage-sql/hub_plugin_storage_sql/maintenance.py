"""What looking after the store asks of the index: who refers to which blob, and whether the counts agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    and_,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)

from hub import AccountRef, BlobUse, Placed
from hub_plugin_storage_sql.database import Reads, Statement
from hub_plugin_storage_sql.flags import SEEN, decoded
from hub_plugin_storage_sql.ranges import within
from hub_plugin_storage_sql.schema import (
    ACCOUNT,
    ANNOTATION,
    COLLECTION,
    EXPUNGED,
    GRANT,
    ITEM,
    LOG,
    MESSAGE,
    QUEUE,
    SEEN_BY,
    SUBSCRIPTION,
    SUMMARY,
    TENANT,
    THREAD,
    UID_BITS,
)
from hub_plugin_storage_sql.transaction import Transaction

_b = bindparam

_WANTED = "after before most"
_SIZE = func.coalesce(ITEM.c.size, EXPUNGED.c.size)
_MESSAGE_USES = Statement(
    select(MESSAGE.c.blob, MESSAGE.c.head_size, (_SIZE - func.length(MESSAGE.c.lines)).label("blob_size"))
    .distinct()
    .join(ITEM, ITEM.c.id == MESSAGE.c.id, isouter=True)
    .join(EXPUNGED, EXPUNGED.c.item_id == MESSAGE.c.id, isouter=True)
    .where(MESSAGE.c.blob > _b("after"), MESSAGE.c.blob < _b("before"), _SIZE.is_not(None))
    .order_by(MESSAGE.c.blob)
    .limit(_b("most")),
    _WANTED,
)
_QUEUE_USES = Statement(
    select(QUEUE.c.blob, QUEUE.c.head_size, QUEUE.c.size)
    .distinct()
    .where(QUEUE.c.blob > _b("after"), QUEUE.c.blob < _b("before"))
    .order_by(QUEUE.c.blob)
    .limit(_b("most")),
    _WANTED,
)
# A number of its own, since PostgreSQL shifts by no other than an integer of 32 bits.
_MAILBOX_OF_MESSAGE = MESSAGE.c.id.bitwise_rshift(literal_column(str(UID_BITS)))
_REFERS = MESSAGE.c.blob == _b("reference")
_WAS_ITEM = EXPUNGED.c.item_id == MESSAGE.c.id
_ACCOUNTS_OF_BLOB = Statement(
    select(COLLECTION.c.account_id)
    .distinct()
    .select_from(MESSAGE)
    .join(COLLECTION, COLLECTION.c.id == _MAILBOX_OF_MESSAGE)
    .where(_REFERS)
    .union(select(EXPUNGED.c.account_id).select_from(MESSAGE).join(EXPUNGED, _WAS_ITEM).where(_REFERS)),
    "reference",
)
_MOVE_MESSAGES = Statement(
    update(MESSAGE).where(MESSAGE.c.blob == _b("old")).values(blob=_b("new")), "new old"
)
_MOVE_QUEUE = Statement(update(QUEUE).where(QUEUE.c.blob == _b("old")).values(blob=_b("new")), "new old")
_HOLDERS = Statement(
    select(TENANT.c.name, ACCOUNT.c.key, COLLECTION.c.name, COLLECTION.c.id, MESSAGE.c.id)
    .select_from(MESSAGE)
    .join(ITEM, ITEM.c.id == MESSAGE.c.id)
    .join(COLLECTION, COLLECTION.c.id == _MAILBOX_OF_MESSAGE)
    .join(ACCOUNT, ACCOUNT.c.id == COLLECTION.c.account_id)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(_REFERS)
    .order_by(MESSAGE.c.id),
    "reference",
)
_EXPUNGED_HOLDERS = Statement(
    select(TENANT.c.name, ACCOUNT.c.key, EXPUNGED.c.name, _MAILBOX_OF_MESSAGE, MESSAGE.c.id)
    .select_from(MESSAGE)
    .join(EXPUNGED, _WAS_ITEM)
    .join(ACCOUNT, ACCOUNT.c.id == EXPUNGED.c.account_id)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(_REFERS, ~EXPUNGED.c.elsewhere)
    .order_by(EXPUNGED.c.id),
    "reference",
)
_ACCOUNTS = Statement(
    select(TENANT.c.name, ACCOUNT.c.key)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(
        or_(
            TENANT.c.name > _b("tenant"),
            and_(TENANT.c.name == _b("tenant"), ACCOUNT.c.key > _b("account_key")),
        )
    )
    .order_by(TENANT.c.name, ACCOUNT.c.key)
    .limit(_b("most")),
    "tenant account_key most",
)
_ACCOUNT = Statement(
    select(ACCOUNT.c.id, ACCOUNT.c.modseq, ACCOUNT.c.uidvalidity, ACCOUNT.c.messages, ACCOUNT.c.size)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(TENANT.c.name == _b("tenant"), ACCOUNT.c.key == _b("account_key")),
    "tenant account_key",
)
_COLLECTIONS = Statement(
    select(
        COLLECTION.c.id,
        COLLECTION.c.name,
        COLLECTION.c.uidvalidity,
        COLLECTION.c.uidnext,
        COLLECTION.c.highest_modseq,
        COLLECTION.c.messages,
        COLLECTION.c.unseen,
        COLLECTION.c.size,
    )
    .where(COLLECTION.c.account_id == _b("account"))
    .order_by(COLLECTION.c.name),
    "account",
)
# By flags, so that who is unseen is decided by the one who knows how flags are written.
_CONTENT = Statement(
    select(
        ITEM.c.flags,
        func.count(),
        cast(func.sum(ITEM.c.size), BigInteger),
        func.max(ITEM.c.id),
        func.max(ITEM.c.modseq),
    )
    .where(within(ITEM.c.id))
    .group_by(ITEM.c.flags),
    "low high",
)
_LOGGED = Statement(
    select(func.max(LOG.c.modseq)).where(LOG.c.collection_id == _b("mailbox")),
    "mailbox",
)
_SET_COLLECTION = Statement(
    update(COLLECTION)
    .where(COLLECTION.c.id == _b("mailbox"))
    .values(
        uidnext=_b("next_uid"),
        highest_modseq=_b("new_modseq"),
        messages=_b("new_messages"),
        unseen=_b("new_unseen"),
        size=_b("new_size"),
    ),
    "next_uid new_modseq new_messages new_unseen new_size mailbox",
)
_SET_ACCOUNT = Statement(
    update(ACCOUNT)
    .where(ACCOUNT.c.id == _b("account"))
    .values(
        modseq=_b("new_modseq"),
        uidvalidity=_b("new_uidvalidity"),
        messages=_b("new_messages"),
        size=_b("new_size"),
    ),
    "new_modseq new_uidvalidity new_messages new_size account",
)

_NEWEST = select(func.max(LOG.c.position)).scalar_subquery()
_CLEAR = (
    Statement(delete(SUBSCRIPTION)),
    Statement(delete(SEEN_BY)),
    Statement(delete(EXPUNGED)),
    Statement(delete(GRANT)),
    Statement(delete(ANNOTATION)),
    Statement(delete(ITEM)),
    Statement(delete(MESSAGE)),
    Statement(delete(SUMMARY)),
    Statement(delete(THREAD)),
    Statement(delete(QUEUE)),
    Statement(delete(LOG).where(LOG.c.position < _NEWEST)),
    # The newest row keeps the position, and says nothing of a message any more.
    Statement(update(LOG).values(account_id=None, collection_id=None, message_id=None)),
    Statement(delete(COLLECTION)),
    Statement(delete(ACCOUNT)),
)


def references(db: Reads, after: str, before: str, limit: int) -> Sequence[BlobUse]:
    """What items, expunged ones and queue rows refer to, in order, each once."""
    found = {
        BlobUse(*row)
        for statement in (_MESSAGE_USES, _QUEUE_USES)
        for row in db.rows(statement, after, before, limit)
    }
    return sorted(found, key=lambda use: (use.reference.encode(), use.size, use.head_size))[:limit]


def move_references(moved: Mapping[str, str]) -> Callable[[Transaction], None]:
    """The work behind `Storage.move_references`.

    The accounts are locked, in order, so that nobody is just copying an item. Who had been copying one into
    another account has done so by then, and that one is found and locked too.
    """

    def work(tx: Transaction) -> None:
        locked: set[int] = set()
        while accounts := _holding(tx, moved) - locked:
            for account in sorted(accounts):
                tx.account(account)
            locked |= accounts
        tx.flush()
        values = [(new, old) for old, new in moved.items()]
        tx.connection.many(_MOVE_MESSAGES, values)
        tx.connection.many(_MOVE_QUEUE, values)

    return work


def _holding(tx: Transaction, references: Iterable[str]) -> set[int]:
    return {account for each in references for (account,) in tx.connection.rows(_ACCOUNTS_OF_BLOB, each)}


def holders(db: Reads, reference: str) -> Sequence[Placed]:
    """The items that refer to a blob, and behind them those that are expunged, where they were."""
    return [
        Placed(AccountRef(tenant, key), name, mailbox, item - (mailbox << UID_BITS))
        for statement in (_HOLDERS, _EXPUNGED_HOLDERS)
        for tenant, key, name, mailbox, item in db.rows(statement, reference)
    ]


def accounts(db: Reads, after: AccountRef | None, limit: int) -> Sequence[AccountRef]:
    """Every account, by tenant and key."""
    tenant, key = (after.tenant, after.key) if after else ("", "")
    return [AccountRef(*row) for row in db.rows(_ACCOUNTS, tenant, key, limit)]


def clear(tx: Transaction) -> None:
    """The work behind `Storage.clear`."""
    connection = tx.reread()
    for statement in _CLEAR:
        connection.run(statement)


@dataclass(frozen=True, slots=True)
class _Counts:
    """What a collection says of itself, or what its items say; in the order of `_SET_COLLECTION`."""

    uidnext: int
    modseq: int
    messages: int
    unseen: int
    size: int


def check(db: Reads, account: AccountRef) -> Sequence[str]:
    """What does not agree in an account, a sentence for each."""
    return [problem for problem, _, _ in _faults(db, account)]


def repair(account: AccountRef) -> Callable[[Transaction], Sequence[str]]:
    """The same, and put right."""

    def work(tx: Transaction) -> Sequence[str]:
        if tx.find_account(account) is None:
            return []
        connection = tx.reread()
        faults = _faults(connection, account)
        for _, statement, values in faults:
            connection.run(statement, *values)
        return [problem for problem, _, _ in faults]

    return work


def _faults(db: Reads, account: AccountRef) -> list[tuple[str, Statement, tuple[int, ...]]]:
    """(what is wrong, the statement that puts it right, its values)."""
    row = db.row(_ACCOUNT, account.tenant, account.key)
    if row is None:
        return []
    account_id, modseq, uidvalidity, messages, size = row
    faults: list[tuple[str, Statement, tuple[int, ...]]] = []
    total = [modseq, uidvalidity, 0, 0]
    for mailbox, name, validity, *said in db.rows(_COLLECTIONS, account_id):
        found = _Counts(*said)
        right = _counted(db, mailbox, found)
        total[0] = max(total[0], right.modseq)
        total[1] = max(total[1], validity)
        total[2] += right.messages
        total[3] += right.size
        if found != right:
            values = (right.uidnext, right.modseq, right.messages, right.unseen, right.size, mailbox)
            faults.append((f"mailbox {name!r}: {_difference(found, right)}", _SET_COLLECTION, values))
    if [modseq, uidvalidity, messages, size] != total:
        names = ("highest modseq", "highest uidvalidity", "messages", "size")
        pairs = zip(names, (modseq, uidvalidity, messages, size), total, strict=True)
        text = ", ".join(f"{name} is {old}, not {new}" for name, old, new in pairs if old != new)
        faults.append((f"account: {text}", _SET_ACCOUNT, (*total, account_id)))
    return faults


def _counted(db: Reads, mailbox: int, said: _Counts) -> _Counts:
    """What a collection should say, by its items and by the log; what only rises is never taken back."""
    base = mailbox << UID_BITS
    uidnext, messages, unseen, size = said.uidnext, 0, 0, 0
    logged = db.row(_LOGGED, mailbox)
    modseq = max(said.modseq, (logged and logged[0]) or 0)
    for flags, count, octets, last, highest in db.rows(_CONTENT, base, base + (1 << UID_BITS) - 1):
        messages += count
        unseen += 0 if SEEN in decoded(flags) else count
        size += octets
        uidnext = max(uidnext, last - base + 1)
        modseq = max(modseq, highest)
    return _Counts(uidnext, modseq, messages, unseen, size)


def _difference(found: _Counts, right: _Counts) -> str:
    pairs = (
        ("next UID", found.uidnext, right.uidnext),
        ("highest modseq", found.modseq, right.modseq),
        ("messages", found.messages, right.messages),
        ("unseen", found.unseen, right.unseen),
        ("size", found.size, right.size),
    )
    return ", ".join(f"{name} is {old}, not {new}" for name, old, new in pairs if old != new)
