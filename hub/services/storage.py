"""The index: accounts, collections, items, flags, modseqs, the queue and the one change log.

Every method that writes is one atomic change, durable when it returns; concurrent ones share a group
commit. A change that fails, fails alone. UIDs and modseqs are taken inside the transaction.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.mail.address import Address
from hub.mail.dsn import NO_DSN, Dsn
from hub.mail.login import AccountRef
from hub.services.annotations import Annotations
from hub.services.blobs import LAST_REFERENCE, BlobUse
from hub.services.expunged import Keeping
from hub.services.kv import Kv
from hub.services.log import LogEntry, MailboxHistory
from hub.services.queue import PERSONAL, Claim, QueueAction, QueueCount, QueueOutcome, QueueRow, Selection
from hub.services.sharing import Sharing
from hub.services.states import Known, States
from hub.services.summary import Summaries
from hub.services.tables import Tables
from hub.services.threads import Threads

UidRanges = Sequence[tuple[int, int]]
"""Ascending, disjoint, both ends included: [(1, 5), (9, 9)]."""


class MailboxMissing(LookupError):
    """The mailbox was deleted or never was."""


class MailboxExists(ValueError):
    """A mailbox of that name is there already, or the name cannot be had."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One local recipient's copy. mailbox: a name, or a special use like `\\Junk`, found in the account or
    made.

    lines: this recipient's own header lines, put before the header block (`Return-Path`, `Delivered-To`).
    """

    account: AccountRef
    mailbox: str
    lines: bytes
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One accepted message: its bytes are durable already, this makes them mail.

    id: the message's. blob: its reference. head_size: octets of the header block, size: of header block and
    body. queue: recipients elsewhere, a row each. sender: the account that submitted it. dsn: what the sender
    wants to hear, its recipients among those of `queue`. priority, requires_tls: of its rows in the queue.
    """

    id: str
    blob: str
    head_size: int
    size: int
    received_at: float
    reverse_path: Address | None
    deliveries: tuple[Delivery, ...]
    queue: tuple[Address, ...]
    sender: AccountRef | None = None
    dsn: Dsn = NO_DSN
    priority: int = PERSONAL
    requires_tls: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one delivery went."""

    account: AccountRef
    mailbox: str
    mailbox_id: int
    uid: int


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox as it stands. special_use: `\\Junk` and its like (RFC 6154). size: octets of all items."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highest_modseq: int
    messages: int
    unseen: int
    size: int
    special_use: str | None
    subscribed: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One message in a mailbox, read as the pieces `lines`, header block, body, in that order.

    head_size: octets of the blob's header block. size: RFC822.SIZE, the pieces' sum. internal_date, and
    saved_at of when it came into this mailbox (RFC 8514): seconds since the epoch. message_id: the hub's own,
    the same for every copy.
    """

    uid: int
    flags: frozenset[str]
    modseq: int
    blob: str
    lines: bytes
    head_size: int
    size: int
    internal_date: int
    message_id: str
    saved_at: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """A message that a client puts into a mailbox; blob and sizes as in Acceptance."""

    id: str
    blob: str
    head_size: int
    size: int
    internal_date: int
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Appended:
    """RFC 4315 APPENDUID: the mailbox's UIDVALIDITY and the new UIDs in the order of the items."""

    uidvalidity: int
    uids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Copied:
    """RFC 4315 COPYUID: pairs of (UID here, UID there), ascending."""

    uidvalidity: int
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class MailboxChanges:
    """What happened in a mailbox since a modseq: new and changed items by UID, and the UIDs that vanished."""

    highest_modseq: int
    uidnext: int
    changed: States
    vanished: tuple[tuple[int, int], ...]


class FlagMode(enum.Enum):
    """How STORE combines the given flags with those that are there."""

    SET = "set"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account holds, in octets and messages over all its mailboxes."""

    size: int
    messages: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What the whole store holds: messages of all accounts and their octets, rows of the queue.

    oldest: when the first of these rows was written, in seconds since the epoch.
    """

    messages: int
    size: int
    queued: int
    oldest: float | None


class Storage(Sharing, Annotations, Keeping, Summaries, Threads, Protocol):
    """The choose-one service of the index, entered by the hub as an async context manager.

    Mailbox names are Unicode, with `/` between the levels of the hierarchy; INBOX is spelled like this.

    viewer: who looks; None, or the owner, for the owner. \\Seen is each viewer's own in a mailbox of somebody
    else, and nothing else is.
    """

    # -- mail in

    async def accept(self, acceptance: Acceptance, reports: Sequence[Acceptance] = ()) -> Sequence[Placed]:
        """Every mailbox row and queue row of one message, at once, and of mail that tells of it.

        An id that was accepted before changes nothing. Gives where the message itself lies.
        """

    async def append(
        self,
        account: AccountRef,
        mailbox: int,
        items: Sequence[NewItem],
        *,
        replaces: tuple[int, int] | None = None,
        viewer: AccountRef | None = None,
    ) -> Appended:
        """All items or none. MailboxMissing.

        replaces: an item, by its mailbox and UID, that is expunged in the same commit, and need not be there
        any more (RFC 8508).
        """

    # -- mailboxes

    async def ensure_account(self, account: AccountRef) -> None:
        """INBOX, Drafts, Sent, Trash, Junk and Archive for an account seen for the first time.

        Else nothing, at no cost.
        """

    async def mailboxes(self, account: AccountRef) -> Sequence[Mailbox]:
        """By name."""

    async def mailbox(self, account: AccountRef, name: str) -> Mailbox | None:
        """By exact name; INBOX in any case of letters."""

    async def subscriptions(self, account: AccountRef) -> Sequence[str]:
        """Subscribed names, among them such as are no mailbox (RFC 3501 §6.3.6)."""

    async def create_mailbox(self, account: AccountRef, name: str, special_use: str | None = None) -> Mailbox:
        """A mailbox of that name, and its parents, with a UIDVALIDITY never used before for it.

        MailboxExists.
        """

    async def delete_mailbox(self, account: AccountRef, name: str) -> None:
        """With its items; children stay. MailboxMissing, MailboxExists for INBOX."""

    async def rename_mailbox(self, account: AccountRef, old: str, new: str) -> None:
        """With its children; INBOX is emptied into the new name (RFC 3501 §6.3.5).

        MailboxMissing, MailboxExists.
        """

    async def subscribe(self, account: AccountRef, name: str, subscribed: bool) -> None:
        """Subscribe to a name or no longer."""

    # -- items

    async def states(self, mailbox: int, viewer: AccountRef | None = None) -> States:
        """Every item's changeable part, by UID. MailboxMissing."""

    async def items(self, mailbox: int, uids: UidRanges, viewer: AccountRef | None = None) -> Sequence[Item]:
        """The items of those UIDs that are there, by UID."""

    async def changes(self, mailbox: int, since: int, viewer: AccountRef | None = None) -> MailboxChanges:
        """What has happened after the modseq `since`. MailboxMissing."""

    async def history(self, mailbox: int, since: int) -> MailboxHistory:
        """Where it has happened: the log is asked, and no item as long as it reaches back. MailboxMissing."""

    async def store_flags(
        self,
        mailbox: int,
        uids: UidRanges,
        mode: FlagMode,
        flags: frozenset[str],
        *,
        unchanged_since: int | None = None,
        viewer: AccountRef | None = None,
        known: Known | None = None,
    ) -> States:
        """The items of those UIDs after the change; none whose modseq is above `unchanged_since`.

        known: as the viewer sees them; they need not be read if nothing has happened since. MailboxMissing.
        """

    async def copy(
        self, mailbox: int, uids: UidRanges, target: int, viewer: AccountRef | None = None
    ) -> Copied:
        """Into a mailbox of the same tenant; the blobs are shared. MailboxMissing."""

    async def move(
        self, mailbox: int, uids: UidRanges, target: int, viewer: AccountRef | None = None
    ) -> Copied:
        """`copy`, and the originals are gone in the same commit, for good (RFC 6851). MailboxMissing."""

    async def expunge(self, mailbox: int, uids: UidRanges | None = None) -> Sequence[int]:
        """Remove the items flagged \\Deleted (among those UIDs); their UIDs. MailboxMissing."""

    async def usage(self, account: AccountRef) -> Usage:
        """A read by key, cheap enough for every RCPT."""

    # -- the log

    async def log(self, after: int, limit: int = 1000) -> Sequence[LogEntry]:
        """Entries after a position, in order, none while an older transaction is still open."""

    async def log_position(self) -> int:
        """The newest position that `log` would give, 0 in an empty store."""

    def watch(self, callback: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call back on the event loop with every new entry, whichever process wrote it.

        Entries of just before may be among them. Gives the function that ends it.
        """

    # -- looking after the store; with the first two it is `References`

    async def references(
        self, after: str = "", before: str = LAST_REFERENCE, limit: int = 1000
    ) -> Sequence[BlobUse]:
        """What items and queue rows refer to between the two, neither included; by octets, each once.

        Two entries for one reference say that rows disagree about it.
        """

    async def move_references(self, moved: Mapping[str, str]) -> None:
        """Every row that refers to a key refers to its value from now on, all in one change that nobody is
        told of.
        """

    async def holders(self, reference: str) -> Sequence[Placed]:
        """The items that refer to a blob; behind them those that are expunged and kept, where they were."""

    async def accounts(self, after: AccountRef | None = None, limit: int = 1000) -> Sequence[AccountRef]:
        """Every account that was ever used, by tenant and key."""

    async def check(self, account: AccountRef, *, repair: bool = False) -> Sequence[str]:
        """What does not agree in an account: counts, UIDs, modseqs and the log; a sentence for each.

        repair: put it right, from the items that are there.
        """

    async def clear(self) -> None:
        """Remove every account with its mailboxes, and the queue, for an index that is made anew.

        Plugins' tables and key-value spaces stay, and positions of the log go on rising.
        """

    # -- the queue

    async def queue(self, limit: int = 1000, *, selection: Selection | None = None) -> Sequence[QueueRow]:
        """The oldest rows first; all of them without a selection."""

    async def count_queue(
        self, moments: Sequence[float], *, selection: Selection | None = None
    ) -> Sequence[QueueCount]:
        """Counts that add up to the whole selection. moments: seconds since the epoch, the latest first."""

    async def claim(self, until: float, limit: int = 100) -> Claim:
        """Rows that are due and that nobody has a lease of, which is now one's own; the lowest priority
        first, and in one the longest due.

        until: seconds since the epoch when the lease ends unless it is renewed.
        """

    async def renew(self, lease: int, until: float) -> None:
        """Keep what is left of a claim for longer."""

    async def conclude(
        self, lease: int, outcomes: Sequence[QueueOutcome], reports: Sequence[Acceptance] = ()
    ) -> None:
        """What became of rows of a claim, and the mail that tells of it; or nothing of it: LeaseLost."""

    async def change_queue(self, action: QueueAction, selection: Selection) -> int:
        """Do something to all rows of a selection, whoever has a lease of them; how many there were."""

    async def next_due(self) -> float | None:
        """When the next row that nobody has a lease of is due; None if there is none."""

    # -- the rest

    async def totals(self) -> Totals:
        """For `hub status`: the time grows with the accounts and the queue, not with the messages."""

    def kv(self, namespace: str) -> Kv:
        """A plugin's own key-value space."""

    async def tables(self, branch: str, metadata: object, migrations: str) -> Tables:
        """A plugin's own tables.

        `migrations` is the folder of its Alembic branch, brought to its head if it never ran.
        """

    def status(self) -> Mapping[str, object]:
        """A few figures for `hub status`: driver, location, schema revision, waiting writes."""
