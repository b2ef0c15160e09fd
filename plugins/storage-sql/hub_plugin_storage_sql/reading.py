"""Queries over accounts, mailboxes, items, the queue and the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, select

from hub import (
    AccountRef,
    ChangeKind,
    Item,
    LogEntry,
    Mailbox,
    MailboxMissing,
    Totals,
    UidRanges,
    Usage,
)
from hub_plugin_storage_sql.database import MAX_POSITION, Reads, Row, Statement
from hub_plugin_storage_sql.flags import decoded
from hub_plugin_storage_sql.mailboxes import canonical
from hub_plugin_storage_sql.ranges import clipped, within
from hub_plugin_storage_sql.schema import (
    ACCOUNT,
    COLLECTION,
    ITEM,
    LOG,
    MESSAGE,
    QUEUE,
    SUBSCRIPTION,
    TENANT,
    UID_BITS,
)
from hub_plugin_storage_sql.viewing import viewed, viewer_id, with_seen

_b = bindparam

_OF_ACCOUNT = and_(TENANT.c.name == _b("tenant"), ACCOUNT.c.key == _b("account_key"))
MAILBOX = (
    select(
        COLLECTION.c.id,
        COLLECTION.c.name,
        COLLECTION.c.uidvalidity,
        COLLECTION.c.uidnext,
        COLLECTION.c.highest_modseq,
        COLLECTION.c.messages,
        COLLECTION.c.unseen,
        COLLECTION.c.size,
        COLLECTION.c.special_use,
        SUBSCRIPTION.c.name,
    )
    .join(ACCOUNT, ACCOUNT.c.id == COLLECTION.c.account_id)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .join(
        SUBSCRIPTION,
        and_(SUBSCRIPTION.c.account_id == COLLECTION.c.account_id, SUBSCRIPTION.c.name == COLLECTION.c.name),
        isouter=True,
    )
    .where(COLLECTION.c.kind == "mailbox")
)
"""Mailboxes with whose they are, in the order of `mailbox_of`."""
_MAILBOX = MAILBOX.where(_OF_ACCOUNT)
_MAILBOXES = Statement(_MAILBOX.order_by(COLLECTION.c.name), "tenant account_key")
_MAILBOX_NAMED = Statement(_MAILBOX.where(COLLECTION.c.name == _b("name")), "tenant account_key name")
_SUBSCRIPTIONS = Statement(
    select(SUBSCRIPTION.c.name)
    .join(ACCOUNT, ACCOUNT.c.id == SUBSCRIPTION.c.account_id)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(_OF_ACCOUNT)
    .order_by(SUBSCRIPTION.c.name),
    "tenant account_key",
)
_USAGE = Statement(
    select(ACCOUNT.c.size, ACCOUNT.c.messages)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(_OF_ACCOUNT),
    "tenant account_key",
)

_HELD = Statement(select(func.sum(ACCOUNT.c.messages), func.sum(ACCOUNT.c.size)))
_WAITING = Statement(select(func.count(), func.min(QUEUE.c.created_at)).select_from(QUEUE))

_MARKS = Statement(
    select(
        COLLECTION.c.highest_modseq,
        COLLECTION.c.uidnext,
        COLLECTION.c.logged_since,
        COLLECTION.c.messages,
        COLLECTION.c.account_id,
    ).where(COLLECTION.c.id == _b("mailbox"), COLLECTION.c.kind == "mailbox"),
    "mailbox",
)
_ITEM = (
    select(
        ITEM.c.id,
        ITEM.c.flags,
        ITEM.c.modseq,
        MESSAGE.c.blob,
        MESSAGE.c.lines,
        MESSAGE.c.head_size,
        ITEM.c.size,
        MESSAGE.c.internal_date,
        MESSAGE.c.message_id,
        MESSAGE.c.saved_at,
    )
    .join(MESSAGE, MESSAGE.c.id == ITEM.c.id)
    .where(within(ITEM.c.id, MESSAGE.c.id))
    .order_by(ITEM.c.id)
)
_ITEMS = Statement(_ITEM, "low high")
_ITEMS_SEEN = Statement(with_seen(_ITEM), "low high viewer")
_OWNER = Statement(select(COLLECTION.c.account_id).where(COLLECTION.c.id == _b("mailbox")), "mailbox")
_LOG = Statement(
    select(
        LOG.c.position,
        TENANT.c.name,
        ACCOUNT.c.key,
        LOG.c.modseq,
        LOG.c.kind,
        LOG.c.collection_id,
        LOG.c.name,
        LOG.c.first_uid,
        LOG.c.last_uid,
        LOG.c.message_id,
    )
    .join(ACCOUNT, ACCOUNT.c.id == LOG.c.account_id, isouter=True)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id, isouter=True)
    .where(LOG.c.position > _b("after"), LOG.c.position <= _b("upto"))
    .order_by(LOG.c.position)
    .limit(_b("most")),
    "after upto most",
)
_LAST = Statement(
    select(LOG.c.position).where(LOG.c.position <= _b("upto")).order_by(LOG.c.position.desc()).limit(1),
    "upto",
)


def mailboxes(db: Reads, account: AccountRef) -> Sequence[Mailbox]:
    """All mailboxes of an account by name."""
    return [mailbox_of(row) for row in db.rows(_MAILBOXES, account.tenant, account.key)]


def mailbox_named(db: Reads, account: AccountRef, name: str) -> Mailbox | None:
    """One mailbox by its name."""
    row = db.row(_MAILBOX_NAMED, account.tenant, account.key, canonical(name))
    return mailbox_of(row) if row else None


def subscriptions(db: Reads, account: AccountRef) -> Sequence[str]:
    """Subscribed names in order."""
    return [name for (name,) in db.rows(_SUBSCRIPTIONS, account.tenant, account.key)]


def usage(db: Reads, account: AccountRef) -> Usage:
    """Nothing for an account that was never used."""
    row = db.row(_USAGE, account.tenant, account.key)
    return Usage(*row) if row else Usage(0, 0)


def totals(db: Reads) -> Totals:
    """Sums over all accounts, and over the queue."""
    messages, size = db.row(_HELD) or (0, 0)
    queued, oldest = db.row(_WAITING) or (0, None)
    return Totals(int(messages or 0), int(size or 0), queued, oldest)


def account_exists(db: Reads, account: AccountRef) -> bool:
    """Whether it was used before."""
    return db.row(_USAGE, account.tenant, account.key) is not None


def items(db: Reads, mailbox: int, uids: UidRanges, viewer: AccountRef | None = None) -> Sequence[Item]:
    """The items of those UIDs."""
    base = mailbox << UID_BITS
    if viewer is not None and (owner := db.row(_OWNER, mailbox)) is not None:
        watching = viewer_id(db, viewer, owner[0])
        if watching is not None:
            return [
                Item(key - base, viewed(flags, seen is not None), *rest)
                for first, last in clipped(uids)
                for key, flags, *rest, seen in db.rows(_ITEMS_SEEN, base + first, base + last, watching)
            ]
    return [
        Item(key - base, decoded(flags), *rest)
        for first, last in clipped(uids)
        for key, flags, *rest in db.rows(_ITEMS, base + first, base + last)
    ]


def count(db: Reads, mailbox: int) -> int:
    """How many items a mailbox has. MailboxMissing."""
    messages: int = require_mailbox(db, mailbox)[3]
    return messages


def log(db: Reads, after: int, limit: int, upto: int = MAX_POSITION) -> Sequence[LogEntry]:
    """Entries of the log after a position and up to another, which is as far as they are settled."""
    return [
        LogEntry(position, None if key is None else AccountRef(tenant, key), modseq, _KINDS[kind], *rest)
        for position, tenant, key, modseq, kind, *rest in db.rows(_LOG, after, upto, limit)
    ]


def log_position(db: Reads, upto: int = MAX_POSITION) -> int:
    """The newest position that is settled."""
    row = db.row(_LAST, upto)
    return row[0] if row else 0


_KINDS = {kind.value: kind for kind in ChangeKind}


def mailbox_of(row: Sequence[Any]) -> Mailbox:
    """A row of `MAILBOX`."""
    id_, name, uidvalidity, uidnext, highest_modseq, messages, unseen, size, special_use, subscribed_name = (
        row
    )
    return Mailbox(
        id_,
        name,
        uidvalidity,
        uidnext,
        highest_modseq,
        messages,
        unseen,
        size,
        special_use,
        subscribed_name is not None,
    )


def require_mailbox(db: Reads, mailbox: int) -> Row:
    """A mailbox's highest modseq, next UID, where its log begins, messages and owner. MailboxMissing."""
    row = db.row(_MARKS, mailbox)
    if row is None:
        raise MailboxMissing(f"there is no mailbox with the id {mailbox}")
    return row
