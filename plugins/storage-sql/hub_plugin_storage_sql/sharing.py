"""Who else may see a mailbox: lists of rights, kept as they were said (RFC 4314)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select

from hub import RIGHTS, AccountRef, ChangeKind, Mailbox, Shared
from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.reading import MAILBOX, mailbox_of, require_mailbox
from hub_plugin_storage_sql.schema import ACCOUNT, COLLECTION, GRANT, TENANT, UID_BITS
from hub_plugin_storage_sql.transaction import Transaction
from hub_plugin_storage_sql.viewing import unseen_by, viewer_id

_b = bindparam

_RIGHTS = Statement(
    select(GRANT.c.identifier, GRANT.c.rights)
    .where(GRANT.c.collection_id == _b("mailbox"))
    .order_by(GRANT.c.identifier),
    "mailbox",
)
_REMOVE = Statement(
    delete(GRANT).where(GRANT.c.collection_id == _b("mailbox"), GRANT.c.identifier == _b("name")),
    "mailbox name",
)
_ADD = Statement(insert(GRANT), "collection_id identifier rights")
_SHARED = Statement(
    MAILBOX.add_columns(ACCOUNT.c.id, ACCOUNT.c.key, GRANT.c.identifier, GRANT.c.rights)
    .join(GRANT, GRANT.c.collection_id == COLLECTION.c.id)
    .where(TENANT.c.name == _b("tenant"), GRANT.c.identifier == _b("name")),
    "tenant name",
)


def rights(db: Reads, mailbox: int) -> Mapping[str, str]:
    """Identifier → rights. MailboxMissing."""
    require_mailbox(db, mailbox)
    return dict(db.rows(_RIGHTS, mailbox))


def set_rights(mailbox_id: int, identifier: str, granted: str) -> Callable[[Transaction], None]:
    """The work behind `Storage.set_rights`."""
    unknown = set(granted) - set(RIGHTS)
    if unknown:
        raise ValueError(f"there is no right {min(unknown)!r}; there are: {' '.join(RIGHTS)}")

    def work(tx: Transaction) -> None:
        mailbox = tx.mailbox(mailbox_id)
        tx.connection.run(_REMOVE, mailbox_id, identifier)
        if granted:
            tx.connection.run(_ADD, mailbox_id, identifier, _ordered(granted))
        tx.log(tx.touch(mailbox), ChangeKind.RIGHTS, mailbox)

    return work


def shared_with(
    db: Reads, tenant: str, identifiers: Sequence[str], viewer: AccountRef | None
) -> Sequence[Shared]:
    """Every mailbox of the tenant that one of the identifiers may do something with."""
    found: dict[int, tuple[Row, set[str], set[str]]] = {}
    for identifier in dict.fromkeys(identifiers):
        for name in (identifier, "-" + identifier):
            for *row, said in db.rows(_SHARED, tenant, name):
                _, granted, taken = found.setdefault(row[0], (tuple(row), set(), set()))
                (taken if row[-1] != identifier else granted).update(said)
    shared = []
    for (*columns, owner, key, _), granted, taken in found.values():
        if left := _ordered(granted - taken):
            mailbox = _as_seen(db, mailbox_of(columns), owner, viewer)
            shared.append(Shared(AccountRef(tenant, key), mailbox, left))
    return sorted(shared, key=lambda each: (each.account.key, each.mailbox.name))


def _as_seen(db: Reads, mailbox: Mailbox, owner: int, viewer: AccountRef | None) -> Mailbox:
    """With the viewer's own count of what is unseen."""
    watching = viewer_id(db, viewer, owner)
    if watching is None:
        return mailbox
    base = mailbox.id << UID_BITS
    keys = (base, base + (1 << UID_BITS) - 1)
    return replace(mailbox, unseen=unseen_by(db, watching, keys, mailbox.messages))


def _ordered(granted: str | set[str]) -> str:
    return "".join(right for right in RIGHTS if right in granted)
