"""One write transaction: rows that many pieces of work touch are read once, changed in memory, written once.

An account is locked before the first read of what belongs to it, so memory and database agree.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update

from hub import AccountRef, ChangeKind, MailboxMissing, Placed, StoreFull
from hub_plugin_storage_sql.database import Row, Statement, Writes
from hub_plugin_storage_sql.schema import ACCOUNT, COLLECTION, ITEM, LOG, MESSAGE, TENANT, UID_BITS

_b = bindparam

_ACCOUNT = select(ACCOUNT.c.id, ACCOUNT.c.modseq, ACCOUNT.c.uidvalidity, ACCOUNT.c.size, ACCOUNT.c.messages)
_ACCOUNT_BY_REF = Statement(
    _ACCOUNT.join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id).where(
        TENANT.c.name == _b("tenant"), ACCOUNT.c.key == _b("account_key")
    ),
    "tenant account_key",
)
_ACCOUNT_BY_ID = Statement(_ACCOUNT.where(ACCOUNT.c.id == _b("account")), "account")
_UPDATE_ACCOUNT = Statement(
    update(ACCOUNT)
    .where(ACCOUNT.c.id == _b("account"))
    .values(modseq=_b("modseq"), uidvalidity=_b("uidvalidity"), size=_b("size"), messages=_b("messages")),
    "modseq uidvalidity size messages account",
)

_MAILBOX = select(
    COLLECTION.c.id,
    COLLECTION.c.account_id,
    COLLECTION.c.name,
    COLLECTION.c.special_use,
    COLLECTION.c.uidvalidity,
    COLLECTION.c.uidnext,
    COLLECTION.c.highest_modseq,
    COLLECTION.c.messages,
    COLLECTION.c.unseen,
    COLLECTION.c.size,
).where(COLLECTION.c.kind == "mailbox")
_MAILBOX_BY_ID = Statement(_MAILBOX.where(COLLECTION.c.id == _b("mailbox")), "mailbox")
_MAILBOX_BY_NAME = Statement(
    _MAILBOX.where(COLLECTION.c.account_id == _b("account"), COLLECTION.c.name == _b("name")), "account name"
)
_MAILBOX_BY_USE = Statement(
    _MAILBOX.where(COLLECTION.c.account_id == _b("account"), COLLECTION.c.special_use == _b("use"))
    .order_by(COLLECTION.c.id)
    .limit(1),
    "account use",
)
_UPDATE_MAILBOX = Statement(
    update(COLLECTION)
    .where(COLLECTION.c.id == _b("mailbox"))
    .values(
        uidnext=_b("uidnext"),
        highest_modseq=_b("modseq"),
        messages=_b("messages"),
        unseen=_b("unseen"),
        size=_b("size"),
    ),
    "uidnext modseq messages unseen size mailbox",
)
_INSERT_ITEM = Statement(insert(ITEM), " ".join(ITEM.c.keys()))
_INSERT_MESSAGE = Statement(insert(MESSAGE), " ".join(MESSAGE.c.keys()))
_INSERT_LOG = Statement(
    insert(LOG).values({column: _b(column) for column in LOG.c.keys() if column != "position"}),  # noqa: SIM118
    "account_id modseq kind collection_id name first_uid last_uid message_id",
)


@dataclass(slots=True)
class AccountRow:
    """An account as it stands in this transaction."""

    id: int
    modseq: int
    uidvalidity: int
    size: int
    messages: int


@dataclass(slots=True)
class MailboxRow:
    """A mailbox as it stands in this transaction."""

    id: int
    account_id: int
    name: str
    special_use: str | None
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    messages: int
    unseen: int
    size: int

    @property
    def base(self) -> int:
        """Added to a UID it gives the item's id."""
        return self.id << UID_BITS

    def take_uids(self, count: int) -> int:
        """The first of that many new UIDs. OverflowError when none are left: they have 32 bits."""
        first = self.uidnext
        if first + count > 1 << UID_BITS:
            raise OverflowError(
                f"the mailbox {self.name!r} has no UID left; copy its messages into a new one"
            )
        self.uidnext = first + count
        return first


class Transaction:
    """What one piece of work after another sees and changes; `flush` writes what is still only in memory.

    connection: inside a write transaction. now: seconds since the epoch. free: octets left above the reserve.
    accepted: what was accepted in this transaction, by message id.
    """

    def __init__(self, connection: Writes, now: float, free: Callable[[], int]) -> None:
        self.connection = connection
        self.now = now
        self._free = free
        self._saved_at = int(now)
        self._has_room: bool | None = None
        self._modseqs: dict[int, int] = {}
        self._accounts: dict[int, AccountRow] = {}
        self._by_ref: dict[AccountRef, AccountRow] = {}
        self._mailboxes: dict[int, MailboxRow] = {}
        self._by_name: dict[tuple[int, str], MailboxRow] = {}
        self._by_use: dict[tuple[int, str], MailboxRow] = {}
        self._changed_accounts: dict[int, AccountRow] = {}
        self._changed_mailboxes: dict[int, MailboxRow] = {}
        self._items: list[Row] = []
        self._messages: list[Row] = []
        self._log: list[Row] = []
        self.accepted: dict[str, Sequence[Placed]] = {}

    def begin(self) -> None:
        """The next piece of work starts: it takes a modseq of its own in every account that it changes."""
        self._modseqs.clear()

    def require_room(self) -> None:
        """Raise StoreFull when only the reserve is left, which is kept for expunging and for the queue."""
        if self._has_room is None:
            self._has_room = self._free() > 0
        if not self._has_room:
            raise StoreFull(
                errno.ENOSPC, "the index takes in nothing more: too little space is left on its disk"
            )

    def know_account(self, ref: AccountRef, row: Row) -> None:
        """Its row, locked, read by whoever has begun the transaction."""
        self._by_ref[ref] = self._accounts.setdefault(row[0], AccountRow(*row))

    def find_account(self, ref: AccountRef) -> AccountRow | None:
        """The account's row, None if it was never used."""
        account = self._by_ref.get(ref)
        if account is None:
            row = self.connection.locked(_ACCOUNT_BY_REF, ref.tenant, ref.key)
            if row is None:
                return None
            account = self._by_ref[ref] = self._accounts.setdefault(row[0], AccountRow(*row))
        return account

    def account(self, account_id: int) -> AccountRow:
        """The row of an account that is there."""
        account = self._accounts.get(account_id)
        if account is None:
            row = self.connection.locked(_ACCOUNT_BY_ID, account_id)
            assert row is not None  # the row that named it refers to it
            account = self._accounts[account_id] = AccountRow(*row)
        return account

    def modseq(self, account: AccountRow) -> int:
        """The modseq of this piece of work in the account, taken when it is asked for first."""
        modseq = self._modseqs.get(account.id)
        if modseq is None:
            account.modseq += 1
            modseq = self._modseqs[account.id] = account.modseq
            self._changed_accounts[account.id] = account
        return modseq

    def mailbox(self, mailbox_id: int) -> MailboxRow:
        """A mailbox by its id. MailboxMissing."""
        mailbox = self._mailboxes.get(mailbox_id)
        if mailbox is None:
            row = self.connection.row(_MAILBOX_BY_ID, mailbox_id)
            if row is not None and row[1] not in self._accounts:
                self.account(row[1])
                row = self.connection.row(_MAILBOX_BY_ID, mailbox_id)  # as it stands under the account's lock
            mailbox = self._keep(row)
            if mailbox is None:
                raise MailboxMissing(f"there is no mailbox with the id {mailbox_id}")
        return mailbox

    def mailbox_named(self, account: AccountRow, name: str) -> MailboxRow | None:
        """A mailbox by its exact name."""
        mailbox = self._by_name.get((account.id, name))
        return mailbox or self._keep(self.connection.row(_MAILBOX_BY_NAME, account.id, name))

    def mailbox_used_as(self, account: AccountRow, special_use: str) -> MailboxRow | None:
        """The oldest mailbox with that special use."""
        mailbox = self._by_use.get((account.id, special_use))
        if mailbox is None:
            mailbox = self._keep(self.connection.row(_MAILBOX_BY_USE, account.id, special_use))
            if mailbox is not None:
                self._by_use[account.id, special_use] = mailbox
        return mailbox

    def touch(self, mailbox: MailboxRow, *, messages: int = 0, unseen: int = 0, size: int = 0) -> int:
        """Note a change of a mailbox and of its account, with what it adds to their counts; the modseq."""
        account = self.account(mailbox.account_id)
        modseq = mailbox.highest_modseq = self.modseq(account)
        mailbox.messages += messages
        mailbox.unseen += unseen
        mailbox.size += size
        account.messages += messages
        account.size += size
        self._changed_accounts[account.id] = account  # it may have been flushed since it got its modseq
        self._changed_mailboxes[mailbox.id] = mailbox
        return modseq

    def add_item(self, key: int, flags: str, modseq: int, size: int, *message: object) -> None:
        """Insert an item with that id at the next flush, new as of that modseq and saved now.

        message: the values of `COPIED`.
        """
        self._items.append((key, flags, modseq, size))
        self._messages.append((key, modseq, *message, self._saved_at))

    def log(
        self,
        modseq: int,
        kind: ChangeKind,
        mailbox: MailboxRow,
        uids: tuple[int, int] = (0, 0),
        message_id: str | None = None,
    ) -> None:
        """An entry about a mailbox, written at the next flush."""
        self._log.append(
            (mailbox.account_id, modseq, kind.value, mailbox.id, mailbox.name, uids[0], uids[1], message_id)
        )

    def log_account(
        self,
        modseq: int,
        kind: ChangeKind,
        account: AccountRow | None,
        name: str | None = None,
        message_id: str | None = None,
    ) -> None:
        """An entry about no mailbox, written at the next flush."""
        self._log.append((account and account.id, modseq, kind.value, None, name, 0, 0, message_id))

    def flush(self) -> None:
        """Write what is in memory, so that statements see it."""
        many = self.connection.many
        if self._items:
            many(_INSERT_ITEM, self._items)
            many(_INSERT_MESSAGE, self._messages)
            self._items.clear()
            self._messages.clear()
        if self._changed_mailboxes:
            many(
                _UPDATE_MAILBOX,
                [
                    (box.uidnext, box.highest_modseq, box.messages, box.unseen, box.size, box.id)
                    for box in self._changed_mailboxes.values()
                ],
            )
            self._changed_mailboxes.clear()
        if self._changed_accounts:
            many(
                _UPDATE_ACCOUNT,
                [
                    (account.modseq, account.uidvalidity, account.size, account.messages, account.id)
                    for account in self._changed_accounts.values()
                ],
            )
            self._changed_accounts.clear()
        if self._log:
            many(_INSERT_LOG, self._log)
            self._log.clear()

    def reread(self) -> Writes:
        """The connection, all written and nothing remembered: for statements that change what is cached."""
        self.flush()
        self._accounts.clear()
        self._by_ref.clear()
        self._mailboxes.clear()
        self._by_name.clear()
        self._by_use.clear()
        return self.connection

    def _keep(self, row: Row | None) -> MailboxRow | None:
        if row is None:
            return None
        mailbox = self._mailboxes.setdefault(row[0], MailboxRow(*row))
        self._by_name[mailbox.account_id, mailbox.name] = mailbox
        return mailbox
