"""Mail in: everything of one message in one change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import bindparam, insert, select

from hub import (
    Acceptance,
    AccountRef,
    Appended,
    ChangeKind,
    Delivery,
    MailboxMissing,
    NewItem,
    Placed,
    RecipientDsn,
)
from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.flags import SEEN, encoded
from hub_plugin_storage_sql.items import expunge_one, keys_of
from hub_plugin_storage_sql.mailboxes import ensure_account, ensure_mailbox
from hub_plugin_storage_sql.ranges import runs
from hub_plugin_storage_sql.schema import ACCOUNT, LOG, QUEUE, TENANT
from hub_plugin_storage_sql.transaction import AccountRow, MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import see, viewer_id

_ACCEPTED = Statement(
    select(LOG.c.kind, TENANT.c.name, ACCOUNT.c.key, LOG.c.name, LOG.c.collection_id, LOG.c.first_uid)
    .join(ACCOUNT, ACCOUNT.c.id == LOG.c.account_id, isouter=True)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id, isouter=True)
    .where(LOG.c.message_id == bindparam("message"))
    .order_by(LOG.c.position),
    "message",
)
_QUEUE_COLUMNS = (
    "account_id message_id reverse_local reverse_domain local domain blob head_size size created_at state "
    "ret envid notify orcpt priority requires_tls"
)
_ENQUEUE = Statement(
    insert(QUEUE).values({name: bindparam(name) for name in _QUEUE_COLUMNS.split()}), _QUEUE_COLUMNS
)


def accept(
    acceptance: Acceptance, reports: Sequence[Acceptance] = ()
) -> Callable[[Transaction], Sequence[Placed]]:
    """The work behind `Storage.accept`."""
    telling = [accept(report) for report in reports]
    flags = [encoded(delivery.flags) for delivery in acceptance.deliveries]

    def work(tx: Transaction) -> Sequence[Placed]:
        tx.require_room()
        before = _accepted(tx, acceptance.id)
        if before is not None:
            return before
        placed = [_deliver(tx, acceptance, *pair) for pair in zip(acceptance.deliveries, flags, strict=True)]
        if acceptance.queue:
            _enqueue(tx, acceptance)
        tx.accepted[acceptance.id] = placed
        for each in telling:
            each(tx)
        return placed

    return work


def append(
    ref: AccountRef,
    mailbox_id: int,
    items: Sequence[NewItem],
    replaces: tuple[int, int] | None,
    viewer: AccountRef | None,
    *,
    kept: bool,
) -> Callable[[Transaction], Appended]:
    """The work behind `Storage.append`. kept: what is replaced can be had back."""
    for item in items:
        encoded(item.flags)  # refuses what is no flag

    def work(tx: Transaction) -> Appended:
        tx.require_room()
        owner = tx.find_account(ref)
        mailbox = tx.mailbox(mailbox_id)
        if owner is not tx.account(mailbox.account_id):
            raise MailboxMissing(f"the mailbox with the id {mailbox_id} is another account's")
        watching = viewer_id(tx.connection, viewer, mailbox.account_id)
        uids = _append(tx, mailbox, items, hides_seen=watching is not None)
        if watching is not None:
            tx.flush()
            seen = [uid for uid, item in zip(uids, items, strict=True) if SEEN in item.flags]
            see(tx.connection, watching, keys_of(mailbox, runs(seen)))
        if replaces is not None:
            with suppress(MailboxMissing):
                expunge_one(tx, tx.mailbox(replaces[0]), replaces[1], kept=kept)
        return Appended(mailbox.uidvalidity, tuple(uids))

    return work


def _append(tx: Transaction, mailbox: MailboxRow, items: Sequence[NewItem], *, hides_seen: bool) -> range:
    """The new UIDs. hides_seen: it is not the owner who has seen them."""
    if not items:
        return range(0)
    flags = [item.flags - {SEEN} if hides_seen else item.flags for item in items]
    first = mailbox.take_uids(len(items))
    uids = range(first, first + len(items))
    modseq = tx.touch(
        mailbox,
        messages=len(items),
        unseen=sum(SEEN not in each for each in flags),
        size=sum(item.size for item in items),
    )
    for uid, item, each in zip(uids, items, flags, strict=True):
        tx.add_item(
            mailbox.base + uid,
            encoded(each),
            modseq,
            item.size,
            item.head_size,
            item.internal_date,
            item.id,
            item.blob,
            b"",
        )
    tx.log(modseq, ChangeKind.APPENDED, mailbox, (first, uids[-1]))
    return uids


def _deliver(tx: Transaction, acceptance: Acceptance, delivery: Delivery, flags: str) -> Placed:
    account = ensure_account(tx, delivery.account)
    mailbox = ensure_mailbox(tx, account, delivery.mailbox)
    uid = mailbox.take_uids(1)
    size = len(delivery.lines) + acceptance.size
    modseq = tx.touch(mailbox, messages=1, unseen=SEEN not in delivery.flags, size=size)
    tx.add_item(
        mailbox.base + uid,
        flags,
        modseq,
        size,
        acceptance.head_size,
        int(acceptance.received_at),
        acceptance.id,
        acceptance.blob,
        delivery.lines,
    )
    tx.log(modseq, ChangeKind.DELIVERED, mailbox, (uid, uid), acceptance.id)
    return Placed(delivery.account, mailbox.name, mailbox.id, uid)


def _enqueue(tx: Transaction, acceptance: Acceptance) -> None:
    sender: AccountRow | None = None
    modseq = 0
    if acceptance.sender is not None:
        sender = ensure_account(tx, acceptance.sender)
        modseq = tx.modseq(sender)
    path, dsn = acceptance.reverse_path, acceptance.dsn
    asked = [dsn.recipients.get(recipient, RecipientDsn()) for recipient in acceptance.queue]
    tx.connection.many(
        _ENQUEUE,
        [
            (
                sender and sender.id,
                acceptance.id,
                path and path.local,
                path and path.domain,
                recipient.local,
                recipient.domain,
                acceptance.blob,
                acceptance.head_size,
                acceptance.size,
                acceptance.received_at,
                "queued",
                dsn.ret,
                dsn.envid,
                each.notify and ",".join(each.notify),
                each.original,
                acceptance.priority,
                acceptance.requires_tls,
            )
            for recipient, each in zip(acceptance.queue, asked, strict=True)
        ],
    )
    tx.log_account(modseq, ChangeKind.QUEUED, sender, message_id=acceptance.id)


def _accepted(tx: Transaction, message_id: str) -> Sequence[Placed] | None:
    """Where a message of that id went when it was accepted before."""
    known = tx.accepted.get(message_id)
    if known is not None:
        return known
    rows = tx.connection.rows(_ACCEPTED, message_id)
    if not rows:
        return None
    return [
        Placed(AccountRef(tenant, key), name, mailbox_id, uid)
        for kind, tenant, key, name, mailbox_id, uid in rows
        if kind == ChangeKind.DELIVERED.value
    ]
