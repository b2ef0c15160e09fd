"""Queries over accounts, mailboxes, items, the queue and the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, literal_column, select

from hub import (
    NO_STATES,
    AccountRef,
    ChangeKind,
    Item,
    ItemState,
    LogEntry,
    Mailbox,
    MailboxChanges,
    MailboxMissing,
    States,
    Totals,
    UidRanges,
    Usage,
)
from hub_plugin_storage_sql.columns import STATES, columns
from hub_plugin_storage_sql.database import MAX_POSITION, Reads, Row, Statement
from hub_plugin_storage_sql.flags import decoded
from hub_plugin_storage_sql.mailboxes import canonical
from hub_plugin_storage_sql.ranges import GAP, MAX_UID, Range, clipped, merged
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
_WITHIN = ITEM.c.id.between(_b("low"), _b("high"))
_STATES = Statement(STATES, "base low high")
_CHANGED = Statement(STATES.where(ITEM.c.modseq > _b("since")), "base low high since")
_STATE = select(ITEM.c.id, ITEM.c.flags, ITEM.c.modseq).where(_WITHIN).order_by(ITEM.c.id)
_STATES_SEEN = Statement(with_seen(_STATE), "low high viewer")
_CHANGED_SEEN = Statement(with_seen(_STATE.where(ITEM.c.modseq > _b("since"))), "low high since viewer")
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
    .where(_WITHIN)
    .order_by(ITEM.c.id)
)
_ITEMS = Statement(_ITEM, "low high")
_ITEMS_SEEN = Statement(with_seen(_ITEM), "low high viewer")
_OWNER = Statement(select(COLLECTION.c.account_id).where(COLLECTION.c.id == _b("mailbox")), "mailbox")
_TOUCHED = Statement(
    select(LOG.c.kind, LOG.c.first_uid, LOG.c.last_uid).where(
        LOG.c.collection_id == _b("mailbox"), LOG.c.modseq > _b("since"), LOG.c.first_uid > 0
    ),
    "mailbox since",
)
_VANISHED = Statement(
    select(LOG.c.first_uid, LOG.c.last_uid).where(
        LOG.c.collection_id == _b("mailbox"),
        LOG.c.modseq > _b("since"),
        LOG.c.first_uid > 0,
        LOG.c.kind == literal_column(f"'{ChangeKind.EXPUNGED.value}'"),
    ),
    "mailbox since",
)
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


def states(db: Reads, mailbox: int, viewer: AccountRef | None = None) -> States:
    """Every item of a mailbox. MailboxMissing."""
    watching = _viewer(db, require_mailbox(db, mailbox), viewer)
    return _states(db, mailbox, [(1, MAX_UID)], watching)


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


def changes(db: Reads, mailbox: int, since: int, viewer: AccountRef | None = None) -> MailboxChanges:
    """What has happened in a mailbox: from the log or, for one who is older, the items. MailboxMissing."""
    marks = require_mailbox(db, mailbox)
    highest_modseq, uidnext, logged_since, *_ = marks
    if since >= highest_modseq:
        return MailboxChanges(highest_modseq, uidnext, NO_STATES, ())
    watching = _viewer(db, marks, viewer)
    if since < logged_since:
        found = _changed(db, mailbox, [(1, MAX_UID)], since, watching)
        present = found if since == 0 else states(db, mailbox)
        return MailboxChanges(highest_modseq, uidnext, found, tuple(_gaps(present.uids, uidnext)))
    touched: list[Range] = []
    vanished: list[Range] = []
    for kind, first, last in db.rows(_TOUCHED, mailbox, since):
        (vanished if kind == ChangeKind.EXPUNGED.value else touched).append((first, last))
    found = _changed(db, mailbox, merged(touched, GAP), since, watching)
    return MailboxChanges(highest_modseq, uidnext, found, tuple(merged(vanished)))


def vanished(db: Reads, mailbox: int, since: int) -> Sequence[Range]:
    """The part of the same that says what is gone. MailboxMissing."""
    highest_modseq, uidnext, logged_since, *_ = require_mailbox(db, mailbox)
    if since >= highest_modseq:
        return ()
    if since < logged_since:
        return _gaps(states(db, mailbox).uids, uidnext)
    return merged((first, last) for first, last in db.rows(_VANISHED, mailbox, since))


def unchanged(db: Reads, mailbox: int, since: int) -> MailboxChanges | None:
    """The answer for one who has seen everything, None if there is more to tell. MailboxMissing."""
    highest_modseq, uidnext, *_ = require_mailbox(db, mailbox)
    return MailboxChanges(highest_modseq, uidnext, NO_STATES, ()) if since >= highest_modseq else None


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


def _viewer(db: Reads, marks: Row, viewer: AccountRef | None) -> int | None:
    return None if viewer is None else viewer_id(db, viewer, marks[4])


def _states(db: Reads, mailbox: int, ranges: Sequence[Range], viewer: int | None) -> States:
    if viewer is None:
        return _found(db, _STATES, mailbox, ranges)
    return _found_seen(db, _STATES_SEEN, mailbox, ranges, viewer)


def _changed(db: Reads, mailbox: int, ranges: Sequence[Range], since: int, viewer: int | None) -> States:
    if viewer is None:
        return _found(db, _CHANGED, mailbox, ranges, since)
    return _found_seen(db, _CHANGED_SEEN, mailbox, ranges, since, viewer)


def _found(db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int) -> States:
    found = columns(db, statement, mailbox, ranges, *more)
    sets = {text: decoded(text) for text in set(found.flags)}
    return States(found.uids, list(map(sets.__getitem__, found.flags)), found.figures)


def _found_seen(db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int) -> States:
    base = mailbox << UID_BITS
    return States.of(
        ItemState(key - base, viewed(flags, seen is not None), modseq)
        for first, last in ranges
        for key, flags, modseq, seen in db.rows(statement, base + first, base + last, *more)
    )


def _gaps(present: Sequence[int], uidnext: int) -> list[Range]:
    """The UIDs below uidnext that no item has."""
    found: list[Range] = []
    expected = 1
    for uid in present:
        if uid > expected:
            found.append((expected, uid - 1))
        expected = uid + 1
    if expected < uidnext:
        found.append((expected, uidnext - 1))
    return found
