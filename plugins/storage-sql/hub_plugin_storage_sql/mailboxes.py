"""Accounts and their mailboxes: made at first use, created, deleted, renamed, subscribed to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from hub import AccountRef, ChangeKind, Mailbox, MailboxExists, MailboxMissing
from hub_plugin_storage_sql.copying import move_all
from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.keeping import forget, keep
from hub_plugin_storage_sql.ranges import Range, within
from hub_plugin_storage_sql.schema import (
    ACCOUNT,
    ANNOTATION,
    COLLECTION,
    GRANT,
    ITEM,
    SUBSCRIPTION,
    TENANT,
    UID_BITS,
)
from hub_plugin_storage_sql.transaction import AccountRow, MailboxRow, Transaction
from hub_plugin_storage_sql.viewing import forget_seen

_b = bindparam

SEPARATOR: Final = "/"
INBOX: Final = "INBOX"
MAX_NAME: Final = 1000  # octets; what a client can still write in one line together with a second one

# RFC 6154 §2; what a new account starts with.
FIRST_MAILBOXES: Final = (
    (INBOX, None),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
    ("Junk", "\\Junk"),
    ("Archive", "\\Archive"),
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_TENANT = Statement(select(TENANT.c.id).where(TENANT.c.name == _b("name")), "name")
_ADD_TENANT = Statement(insert(TENANT).values(name=_b("name")), "name")
_ADD_ACCOUNT = Statement(
    insert(ACCOUNT).values(
        tenant_id=_b("tenant"), key=_b("account_key"), modseq=0, uidvalidity=0, size=0, messages=0
    ),
    "tenant account_key",
)
_ADD_MAILBOX = Statement(
    insert(COLLECTION).values(
        account_id=_b("account"),
        kind="mailbox",
        name=_b("name"),
        special_use=_b("use"),
        uidvalidity=_b("uidvalidity"),
        uidnext=1,
        highest_modseq=_b("modseq"),
        logged_since=_b("modseq"),
        messages=0,
        unseen=0,
        size=0,
    ),
    "account name use uidvalidity modseq",
)
_SET_USE = Statement(
    update(COLLECTION).where(COLLECTION.c.id == _b("mailbox")).values(special_use=_b("use")), "use mailbox"
)
_SET_NAME = Statement(
    update(COLLECTION).where(COLLECTION.c.id == _b("mailbox")).values(name=_b("name")), "name mailbox"
)
_DELETE_MAILBOX = Statement(delete(COLLECTION).where(COLLECTION.c.id == _b("mailbox")), "mailbox")
_DELETE_RIGHTS = Statement(delete(GRANT).where(GRANT.c.collection_id == _b("mailbox")), "mailbox")
_DELETE_ANNOTATIONS = Statement(
    delete(ANNOTATION).where(ANNOTATION.c.collection_id == _b("mailbox")), "mailbox"
)
_DELETE_ITEMS = Statement(delete(ITEM).where(within(ITEM.c.id)), "low high")
_NAMES = Statement(
    select(COLLECTION.c.id, COLLECTION.c.name)
    .where(COLLECTION.c.account_id == _b("account"), COLLECTION.c.kind == "mailbox")
    .order_by(COLLECTION.c.name),
    "account",
)
_IS_SUBSCRIBED = Statement(
    select(SUBSCRIPTION.c.name).where(
        SUBSCRIPTION.c.account_id == _b("account"), SUBSCRIPTION.c.name == _b("name")
    ),
    "account name",
)
_SUBSCRIBE = Statement(insert(SUBSCRIPTION), "account_id name")
_UNSUBSCRIBE = Statement(
    delete(SUBSCRIPTION).where(SUBSCRIPTION.c.account_id == _b("account"), SUBSCRIPTION.c.name == _b("name")),
    "account name",
)


def canonical(name: str) -> str:
    """The name with INBOX, which is the same in any case of letters (RFC 3501 §5.1), as it is stored."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == INBOX else name


def checked(name: str) -> str:
    """The canonical form of a name that a mailbox may get. MailboxExists says why another cannot be had."""
    if _CONTROL.search(name):
        raise MailboxExists("a mailbox name cannot contain control characters")
    if "" in name.split(SEPARATOR):
        raise MailboxExists(f"a mailbox name has text before and after each {SEPARATOR}")
    if name[0] == "\\":
        raise MailboxExists("a mailbox name cannot begin with a backslash: that is how a special use begins")
    if len(name.encode()) > MAX_NAME:
        raise MailboxExists(f"the mailbox name is longer than {MAX_NAME} octets")
    return canonical(name)


def ensure_account(tx: Transaction, ref: AccountRef) -> AccountRow:
    """The account's row, with its first mailboxes if it is new."""
    account = tx.find_account(ref)
    if account is not None:
        return account
    connection = tx.connection
    tenant = connection.row(_TENANT, ref.tenant)
    if tenant is None:
        connection.run(_ADD_TENANT, ref.tenant)
        tenant = connection.row(_TENANT, ref.tenant)
        assert tenant is not None
    connection.run(_ADD_ACCOUNT, tenant[0], ref.key)
    account = tx.find_account(ref)
    assert account is not None
    for name, special_use in FIRST_MAILBOXES:
        _add_mailbox(tx, account, name, special_use)
    connection.many(_SUBSCRIBE, [(account.id, name) for name, _ in FIRST_MAILBOXES])
    return account


def ensure_mailbox(tx: Transaction, account: AccountRow, name: str) -> MailboxRow:
    """The mailbox of that name or with that special use, made if there is none."""
    if name[:1] != "\\":
        return tx.mailbox_named(account, canonical(name)) or _create(tx, account, checked(name), None)
    mailbox = tx.mailbox_used_as(account, name)
    if mailbox is not None:
        return mailbox
    usual_name = checked(name[1:])
    mailbox = tx.mailbox_named(account, usual_name)
    if mailbox is None:
        return _create(tx, account, usual_name, name)
    if mailbox.special_use is None and usual_name != INBOX:
        # Somebody's own "Junk" becomes the Junk rather than getting a twin.
        tx.touch(mailbox)
        mailbox_id = mailbox.id
        tx.reread().run(_SET_USE, name, mailbox_id)
        return tx.mailbox(mailbox_id)
    return mailbox


def ensure(ref: AccountRef) -> Callable[[Transaction], None]:
    """The work behind `Storage.ensure_account`."""

    def work(tx: Transaction) -> None:
        ensure_account(tx, ref)

    return work


def create(ref: AccountRef, name: str, special_use: str | None) -> Callable[[Transaction], Mailbox]:
    """The work behind `Storage.create_mailbox`."""
    name = checked(name)

    def work(tx: Transaction) -> Mailbox:
        account = ensure_account(tx, ref)
        if tx.mailbox_named(account, name) is not None:
            raise MailboxExists(f"there is a mailbox {name!r} already")
        box = _create(tx, account, name, special_use)
        subscribed = tx.connection.row(_IS_SUBSCRIBED, account.id, name) is not None
        return Mailbox(box.id, name, box.uidvalidity, 1, box.highest_modseq, 0, 0, 0, special_use, subscribed)

    return work


def remove(ref: AccountRef, name: str, *, kept: bool) -> Callable[[Transaction], None]:
    """The work behind `Storage.delete_mailbox`. kept: so that its items can be had back."""
    name = canonical(name)

    def work(tx: Transaction) -> None:
        if name == INBOX:
            raise MailboxExists("INBOX cannot be deleted")
        _, mailbox = _existing(tx, ref, name)
        modseq = tx.touch(mailbox, messages=-mailbox.messages, unseen=-mailbox.unseen, size=-mailbox.size)
        if mailbox.uidnext > 1:
            tx.log(modseq, ChangeKind.EXPUNGED, mailbox, (1, mailbox.uidnext - 1))
        tx.log(modseq, ChangeKind.DELETED, mailbox)
        connection = tx.reread()
        keys: Range = (mailbox.base, mailbox.base + (1 << UID_BITS) - 1)
        if kept:
            keep(tx, mailbox, [keys])
        else:
            forget(connection, [keys])
        forget_seen(connection, [keys])
        connection.run(_DELETE_ITEMS, *keys)
        connection.run(_DELETE_RIGHTS, mailbox.id)
        connection.run(_DELETE_ANNOTATIONS, mailbox.id)
        connection.run(_DELETE_MAILBOX, mailbox.id)

    return work


def rename(ref: AccountRef, old: str, new: str, *, kept: bool) -> Callable[[Transaction], None]:
    """The work behind `Storage.rename_mailbox`. kept: who has INBOX open can read what is moved out of it."""
    old, new = canonical(old), checked(new)

    def work(tx: Transaction) -> None:
        account, mailbox = _existing(tx, ref, old)
        if tx.mailbox_named(account, new) is not None:
            raise MailboxExists(f"there is a mailbox {new!r} already")
        if old == INBOX:  # RFC 3501 §6.3.5: its messages move, INBOX and its children stay
            move_all(tx, mailbox, _create(tx, account, new, None), kept=kept)
            return
        if new.startswith(old + SEPARATOR):
            raise MailboxExists(f"{old!r} cannot be moved into itself")
        _rename_tree(tx, account, old, new)

    return work


def subscribe(ref: AccountRef, name: str, subscribed: bool) -> Callable[[Transaction], None]:
    """The work behind `Storage.subscribe`."""
    name = canonical(name)

    def work(tx: Transaction) -> None:
        account = ensure_account(tx, ref)
        if (tx.connection.row(_IS_SUBSCRIBED, account.id, name) is not None) == subscribed:
            return
        tx.connection.run(_SUBSCRIBE if subscribed else _UNSUBSCRIBE, account.id, name)
        kind = ChangeKind.SUBSCRIBED if subscribed else ChangeKind.UNSUBSCRIBED
        tx.log_account(tx.modseq(account), kind, account, name)

    return work


def _existing(tx: Transaction, ref: AccountRef, name: str) -> tuple[AccountRow, MailboxRow]:
    account = tx.find_account(ref)
    mailbox = None if account is None else tx.mailbox_named(account, name)
    if account is None or mailbox is None:
        raise MailboxMissing(f"there is no mailbox {name!r}")
    return account, mailbox


def _create(tx: Transaction, account: AccountRow, name: str, special_use: str | None) -> MailboxRow:
    """Make a mailbox and those of its parents that are missing."""
    at = name.find(SEPARATOR)
    while at > 0:
        if tx.mailbox_named(account, name[:at]) is None:
            _add_mailbox(tx, account, name[:at], None)
        at = name.find(SEPARATOR, at + 1)
    return _add_mailbox(tx, account, name, special_use)


def _add_mailbox(tx: Transaction, account: AccountRow, name: str, special_use: str | None) -> MailboxRow:
    modseq = tx.modseq(account)
    # Rises with the time as well, so that a store restored from a backup does not give the same one again.
    account.uidvalidity = max(account.uidvalidity + 1, int(tx.now))
    tx.connection.run(_ADD_MAILBOX, account.id, name, special_use, account.uidvalidity, modseq)
    mailbox = tx.mailbox_named(account, name)
    assert mailbox is not None
    tx.log(modseq, ChangeKind.CREATED, mailbox)
    return mailbox


def _rename_tree(tx: Transaction, account: AccountRow, old: str, new: str) -> None:
    account_id = account.id
    below = old + SEPARATOR
    # By name, and so every parent before its children.
    moved = [
        (mailbox_id, new + name[len(old) :])
        for mailbox_id, name in tx.connection.rows(_NAMES, account_id)
        if name == old or name.startswith(below)
    ]
    for _, name in moved:
        checked(name)
        if tx.mailbox_named(account, name) is not None:
            raise MailboxExists(f"there is a mailbox {name!r} already")
    connection = tx.reread()
    for mailbox_id, name in moved:
        connection.run(_SET_NAME, name, mailbox_id)
        mailbox = tx.mailbox(mailbox_id)
        tx.log(tx.touch(mailbox), ChangeKind.RENAMED, mailbox)
    parent = new.rpartition(SEPARATOR)[0]
    if parent and tx.mailbox_named(tx.account(account_id), parent) is None:
        _create(tx, tx.account(account_id), parent, None)
