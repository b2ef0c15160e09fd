"""What users note down about mailboxes and accounts (RFC 5464)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import bindparam, delete, insert, or_, select

from hub import AccountRef, ChangeKind, MailboxMissing
from hub_plugin_storage_sql.database import Reads, Statement
from hub_plugin_storage_sql.mailboxes import ensure_account
from hub_plugin_storage_sql.reading import require_mailbox
from hub_plugin_storage_sql.schema import ANNOTATION
from hub_plugin_storage_sql.transaction import Transaction
from hub_plugin_storage_sql.viewing import account_id

_b = bindparam

SHARED: Final = "/shared/"
PRIVATE: Final = "/private/"
_ALL: Final = 0  # whose a shared entry of a mailbox is, and which mailbox one of an account is of

_GET = Statement(
    select(ANNOTATION.c.entry, ANNOTATION.c.value)
    .where(
        ANNOTATION.c.collection_id == _b("mailbox"),
        or_(ANNOTATION.c.account_id == _b("viewer"), ANNOTATION.c.account_id == _b("everybody")),
    )
    .order_by(ANNOTATION.c.entry),
    "mailbox viewer everybody",
)
_REMOVE = Statement(
    delete(ANNOTATION).where(
        ANNOTATION.c.collection_id == _b("mailbox"),
        ANNOTATION.c.account_id == _b("viewer"),
        ANNOTATION.c.entry == _b("name"),
    ),
    "mailbox viewer name",
)
_ADD = Statement(insert(ANNOTATION), "collection_id account_id entry value")


def noted(db: Reads, viewer: AccountRef, mailbox: int | None) -> Mapping[str, bytes]:
    """Entry → value. MailboxMissing."""
    if mailbox is not None:
        require_mailbox(db, mailbox)
    found = account_id(db, viewer)
    if mailbox is None:
        rows = [] if found is None else db.rows(_GET, _ALL, found, found)
    else:
        rows = db.rows(_GET, mailbox, found or _ALL, _ALL)
    return {entry: bytes(value) for entry, value in rows}


def annotate(
    viewer: AccountRef, mailbox_id: int | None, values: Mapping[str, bytes | None]
) -> Callable[[Transaction], None]:
    """The work behind `Storage.annotate`."""
    for entry in values:
        if not entry.startswith((PRIVATE, SHARED)):
            raise ValueError(f"an entry begins with {PRIVATE} or {SHARED}, and {entry!r} does not")

    def work(tx: Transaction) -> None:
        if not values:
            return
        if mailbox_id is None:
            account = ensure_account(tx, viewer)
            _write(tx, _ALL, account.id, account.id, values)
            tx.log_account(tx.modseq(account), ChangeKind.ANNOTATED, account)
            return
        mailbox = tx.mailbox(mailbox_id)
        whose = account_id(tx.connection, viewer)
        if whose is None:
            raise MailboxMissing(f"nobody has ever used the account {viewer.key!r}")
        _write(tx, mailbox.id, whose, _ALL, values)
        tx.log(tx.touch(mailbox), ChangeKind.ANNOTATED, mailbox)

    return work


def _write(
    tx: Transaction, mailbox: int, viewer: int, everybody: int, values: Mapping[str, bytes | None]
) -> None:
    rows = [
        (mailbox, everybody if entry.startswith(SHARED) else viewer, entry, value)
        for entry, value in values.items()
    ]
    tx.connection.many(_REMOVE, [row[:3] for row in rows])
    tx.connection.many(_ADD, [row for row in rows if row[3] is not None])
