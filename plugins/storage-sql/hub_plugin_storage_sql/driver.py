"""The driver: each method hands its work to the database's writer, or asks one of its readers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from hub import (
    LAST_REFERENCE,
    Acceptance,
    AccountRef,
    Appended,
    BlobUse,
    Claim,
    Copied,
    Expunged,
    FlagMode,
    Item,
    Known,
    Kv,
    LogEntry,
    Mailbox,
    MailboxChanges,
    MailboxHistory,
    MessageColumn,
    Migrations,
    NewItem,
    Placed,
    Plugin,
    QueueAction,
    QueueCount,
    QueueOutcome,
    QueueRow,
    Selection,
    Shared,
    States,
    Summary,
    Tables,
    Totals,
    UidRanges,
    Usage,
)
from hub_plugin_storage_sql import (
    accept,
    annotating,
    changes,
    copying,
    expunged,
    items,
    mailboxes,
    maintenance,
    reading,
    revisions,
    sending,
    sharing,
    summaries,
    threads,
)
from hub_plugin_storage_sql.backend import Settings, open_database, schema_of
from hub_plugin_storage_sql.counters import Counters
from hub_plugin_storage_sql.database import Database, Row
from hub_plugin_storage_sql.keyvalue import KeyValues
from hub_plugin_storage_sql.migrating import SqlMigrations, make_branch, prepare_schema
from hub_plugin_storage_sql.plugin_tables import PluginTables
from hub_plugin_storage_sql.purging import Purging
from hub_plugin_storage_sql.ranges import clipped
from hub_plugin_storage_sql.schema import REVISION

FEW: Final = 32
"""Rows that are read or written at once on the event loop rather than in a thread."""
STATES: Final = 200
"""The same of states, which are narrow: less than it takes to wake a thread and to be woken by it."""


class SqlStorage:
    """The index in an SQL database: `hub.Storage`, entered and used on one event loop."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._schema = schema_of(plugin, self._settings)

    @classmethod
    def migrations(cls, plugin: Plugin, branches: Mapping[str, Path]) -> Migrations:
        """For `hub db`: the store's own branch, and those of the plugins with these folders of migrations."""
        return SqlMigrations(schema_of(plugin, plugin.settings(Settings)), branches)

    async def __aenter__(self) -> SqlStorage:
        await asyncio.to_thread(prepare_schema, self._schema)
        self._db: Database = await open_database(self._plugin, self._settings)
        self._counters = Counters(self._db, self._plugin.clock, self._plugin.log)
        await self._counters.start()
        self._purging = Purging(self._db, self._plugin, self._settings.keep_expunged)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._purging.close()
        await self._counters.close()
        await self._db.close()

    async def accept(self, acceptance: Acceptance, reports: Sequence[Acceptance] = ()) -> Sequence[Placed]:
        """Every mailbox row and queue row of one message, at once, and of mail that tells of it."""
        brief = len(acceptance.deliveries) + len(acceptance.queue) + len(reports) <= FEW
        accounts = [delivery.account for each in (acceptance, *reports) for delivery in each.deliveries]
        return await self._db.write(accept.accept(acceptance, reports), brief=brief, accounts=accounts)

    async def append(
        self,
        account: AccountRef,
        mailbox: int,
        items: Sequence[NewItem],
        *,
        replaces: tuple[int, int] | None = None,
        viewer: AccountRef | None = None,
    ) -> Appended:
        """All items or none. MailboxMissing."""
        await self._know(viewer)
        work = accept.append(account, mailbox, items, replaces, viewer, kept=self._keeps)
        return await self._db.write(work, brief=len(items) <= FEW, accounts=(account,))

    async def ensure_account(self, account: AccountRef) -> None:
        """The first mailboxes of an account seen for the first time."""
        if not await self._db.point(lambda db: reading.account_exists(db, account)):
            await self._db.write(mailboxes.ensure(account))

    async def mailboxes(self, account: AccountRef) -> Sequence[Mailbox]:
        """By name."""
        return await self._db.point(lambda db: reading.mailboxes(db, account))

    async def mailbox(self, account: AccountRef, name: str) -> Mailbox | None:
        """By exact name; INBOX in any case of letters."""
        return await self._db.point(lambda db: reading.mailbox_named(db, account, name))

    async def subscriptions(self, account: AccountRef) -> Sequence[str]:
        """Subscribed names, in order."""
        return await self._db.point(lambda db: reading.subscriptions(db, account))

    async def create_mailbox(self, account: AccountRef, name: str, special_use: str | None = None) -> Mailbox:
        """With its parents. MailboxExists."""
        return await self._db.write(mailboxes.create(account, name, special_use))

    async def delete_mailbox(self, account: AccountRef, name: str) -> None:
        """With its items; children stay. MailboxMissing, MailboxExists for INBOX."""
        await self._db.write(mailboxes.remove(account, name, kept=self._keeps))

    async def rename_mailbox(self, account: AccountRef, old: str, new: str) -> None:
        """With its children; INBOX is emptied into the new name. MailboxMissing, MailboxExists."""
        await self._db.write(mailboxes.rename(account, old, new, kept=self._keeps))

    async def subscribe(self, account: AccountRef, name: str, subscribed: bool) -> None:
        """Subscribe to a name or no longer."""
        await self._db.write(mailboxes.subscribe(account, name, subscribed))

    async def states(self, mailbox: int, viewer: AccountRef | None = None) -> States:
        """Every item's changeable part, by UID. MailboxMissing."""
        if await self._db.point(lambda db: reading.count(db, mailbox)) <= STATES:
            return await self._db.point(lambda db: changes.states(db, mailbox, viewer))
        return await self._db.read(lambda db: changes.states(db, mailbox, viewer))

    async def items(self, mailbox: int, uids: UidRanges, viewer: AccountRef | None = None) -> Sequence[Item]:
        """The items of those UIDs that are there, by UID."""
        few = sum(last - first + 1 for first, last in clipped(uids)) <= FEW
        fetch = self._db.point if few else self._db.read
        return await fetch(lambda db: reading.items(db, mailbox, uids, viewer))

    async def changes(self, mailbox: int, since: int, viewer: AccountRef | None = None) -> MailboxChanges:
        """What has happened after the modseq `since`. MailboxMissing."""
        few = await self._db.point(lambda db: changes.few_changes(db, mailbox, since, viewer))
        if few is not None:
            return few
        return await self._db.read(lambda db: changes.changes(db, mailbox, since, viewer))

    async def history(self, mailbox: int, since: int) -> MailboxHistory:
        """Where something has happened after the modseq `since`. MailboxMissing."""
        short = await self._db.point(lambda db: changes.short_history(db, mailbox, since))
        if short is not None:
            return short
        return await self._db.read(lambda db: changes.history(db, mailbox, since))

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
        """The items of those UIDs after it; none whose modseq is above `unchanged_since`. MailboxMissing."""
        await self._know(viewer)
        return await self._db.write(
            items.store_flags(mailbox, uids, mode, flags, unchanged_since, viewer, known)
        )

    async def copy(
        self, mailbox: int, uids: UidRanges, target: int, viewer: AccountRef | None = None
    ) -> Copied:
        """Into a mailbox of the same tenant; the blobs are shared. MailboxMissing."""
        await self._know(viewer)
        return await self._db.write(copying.copy(mailbox, uids, target, viewer))

    async def move(
        self, mailbox: int, uids: UidRanges, target: int, viewer: AccountRef | None = None
    ) -> Copied:
        """`copy`, and the originals are gone in the same commit, for good. MailboxMissing."""
        await self._know(viewer)
        return await self._db.write(copying.copy(mailbox, uids, target, viewer, moves=True, kept=self._keeps))

    async def expunge(self, mailbox: int, uids: UidRanges | None = None) -> Sequence[int]:
        """Remove the items flagged \\Deleted (among those UIDs); their UIDs. MailboxMissing."""
        return await self._db.write(items.expunge(mailbox, uids, kept=self._keeps))

    async def expunged(
        self, account: AccountRef, *, mailbox: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[Expunged]:
        """By id, those behind `after`; of one mailbox only if it is named."""
        return await self._db.read(lambda db: expunged.listed(db, account, mailbox, after, limit))

    async def undelete(
        self, account: AccountRef, ids: Sequence[int], mailbox: str | None = None
    ) -> Sequence[Placed]:
        """Put them back under new UIDs: into the named mailbox, or where each was."""
        return await self._db.write(expunged.undelete(account, ids, mailbox))

    async def gone(self, mailbox: int, uids: UidRanges) -> Sequence[Item]:
        """What is kept of the items of those UIDs, by UID."""
        return await self._db.read(lambda db: expunged.gone(db, mailbox, uids))

    async def purge_expunged(self, before: float, limit: int = 1000) -> int:
        """Forget for good what was expunged before that moment; how many there were."""
        return await self._db.write(expunged.purge(before, limit))

    async def rights(self, mailbox: int) -> Mapping[str, str]:
        """Identifier → rights, the owner's left out. MailboxMissing."""
        return await self._db.point(lambda db: sharing.rights(db, mailbox))

    async def set_rights(self, mailbox: int, identifier: str, rights: str) -> None:
        """Replace what one identifier has; empty takes it off the list. MailboxMissing."""
        await self._db.write(sharing.set_rights(mailbox, identifier, rights))

    async def shared_with(
        self, tenant: str, identifiers: Sequence[str], viewer: AccountRef | None = None
    ) -> Sequence[Shared]:
        """Every mailbox of the tenant that one of the identifiers may do something with."""
        return await self._db.read(lambda db: sharing.shared_with(db, tenant, identifiers, viewer))

    async def annotations(self, viewer: AccountRef, mailbox: int | None) -> Mapping[str, bytes]:
        """Entry → value, of a mailbox or of the viewer's own account. MailboxMissing."""
        return await self._db.point(lambda db: annotating.noted(db, viewer, mailbox))

    async def annotate(
        self, viewer: AccountRef, mailbox: int | None, values: Mapping[str, bytes | None]
    ) -> None:
        """Set entries, all or none; None removes one. MailboxMissing."""
        await self._db.write(annotating.annotate(viewer, mailbox, values))

    async def columns(self, mailbox: int, uids: UidRanges, columns: Sequence[MessageColumn]) -> Sequence[Row]:
        """UID and columns of the items of those UIDs that are there, by UID."""
        few = sum(last - first + 1 for first, last in clipped(uids)) <= FEW
        fetch = self._db.point if few else self._db.read
        return await fetch(lambda db: summaries.columns(db, mailbox, uids, columns))

    async def keep_summaries(self, mailbox: int, made: Mapping[int, Summary]) -> None:
        """Keep them by UID, for items that are there. MailboxMissing."""
        await self._db.write(summaries.keep(mailbox, made))

    async def threads(self, mailbox: int, keys: Sequence[int]) -> Mapping[int, int]:
        """The thread of each of these messages that was joined to one."""
        return await self._db.read(lambda db: threads.threads(db, mailbox, keys))

    async def join_threads(self, mailbox: int, messages: Sequence[Sequence[int]]) -> None:
        """Put messages, each given by its keys, into threads. MailboxMissing."""
        await self._db.write(threads.join(mailbox, messages))

    async def usage(self, account: AccountRef) -> Usage:
        """A read by key."""
        return await self._db.point(lambda db: reading.usage(db, account))

    async def log(self, after: int, limit: int = 1000) -> Sequence[LogEntry]:
        """Entries after a position, in order."""
        upto = await self._db.settled()
        return await self._db.read(lambda db: reading.log(db, after, limit, upto))

    async def log_position(self) -> int:
        """The newest position that `log` would give, 0 in an empty store."""
        upto = await self._db.settled()
        return await self._db.point(lambda db: reading.log_position(db, upto))

    def watch(self, callback: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call back on the event loop with every new entry; gives the function that ends it."""
        return self._db.watch(callback)

    async def references(
        self, after: str = "", before: str = LAST_REFERENCE, limit: int = 1000
    ) -> Sequence[BlobUse]:
        """What items and queue rows refer to between the two, by octets, each once."""
        return await self._db.read(lambda db: maintenance.references(db, after, before, limit))

    async def move_references(self, moved: Mapping[str, str]) -> None:
        """Every row that refers to a key refers to its value from now on."""
        await self._db.write(maintenance.move_references(moved))

    async def holders(self, reference: str) -> Sequence[Placed]:
        """The items that refer to a blob."""
        return await self._db.read(lambda db: maintenance.holders(db, reference))

    async def accounts(self, after: AccountRef | None = None, limit: int = 1000) -> Sequence[AccountRef]:
        """Every account that was ever used, by tenant and key."""
        return await self._db.read(lambda db: maintenance.accounts(db, after, limit))

    async def check(self, account: AccountRef, *, repair: bool = False) -> Sequence[str]:
        """What does not agree in an account."""
        if repair:
            return await self._db.write(maintenance.repair(account))
        return await self._db.read(lambda db: maintenance.check(db, account))

    async def clear(self) -> None:
        """Remove every account with its mailboxes, and the queue."""
        await self._db.write(maintenance.clear)

    async def queue(self, limit: int = 1000, *, selection: Selection | None = None) -> Sequence[QueueRow]:
        """The oldest rows first, of a selection or of all."""
        return await self._db.read(lambda db: sending.rows(db, limit, selection or Selection()))

    async def count_queue(
        self, moments: Sequence[float], *, selection: Selection | None = None
    ) -> Sequence[QueueCount]:
        """Counts that add up to the whole selection."""
        return await self._db.read(lambda db: sending.counts(db, moments, selection or Selection()))

    async def claim(self, until: float, limit: int = 100) -> Claim:
        """Rows that are due and that nobody has a lease of."""
        return await self._db.write_apart(sending.claim(until, limit))

    async def renew(self, lease: int, until: float) -> None:
        """Keep what is left of a claim for longer."""
        await self._db.write_apart(sending.renew(lease, until))

    async def conclude(
        self, lease: int, outcomes: Sequence[QueueOutcome], reports: Sequence[Acceptance] = ()
    ) -> None:
        """What became of rows of a claim, and the mail that tells of it. LeaseLost."""
        await self._db.write(sending.conclude(lease, outcomes, reports))

    async def change_queue(self, action: QueueAction, selection: Selection) -> int:
        """Do something to all rows of a selection; how many there were."""
        return await self._db.write_apart(sending.change(action, selection))

    async def next_due(self) -> float | None:
        """When the next row that nobody has a lease of is due."""
        return await self._db.point(sending.next_due)

    async def totals(self) -> Totals:
        """Sums that the accounts keep, and a count of the queue."""
        return await self._db.read(reading.totals)

    def kv(self, namespace: str) -> Kv:
        """A plugin's own key-value space."""
        return KeyValues(self._db, self._plugin.clock, self._counters, namespace)

    async def tables(self, branch: str, metadata: object, migrations: str) -> Tables:
        """A plugin's own tables, made if its branch never ran. SchemaError if they are not its code's."""
        folder = Path(migrations)
        found = await self._db.read(lambda db: revisions.current(db.core, branch))
        if found is None:
            await asyncio.to_thread(make_branch, self._schema, branch, folder)
            found = await self._db.read(lambda db: revisions.current(db.core, branch))
        revisions.require_head(branch, found, folder)
        await self._db.read(lambda db: revisions.require_tables(db.core, branch, metadata))
        return PluginTables(self._db)

    def status(self) -> Mapping[str, object]:
        """Driver, location, schema revision, waiting writes, what is wrong with the database just now."""
        return {
            "driver": self._plugin.name,
            "location": self._settings.location(self._plugin),
            "revision": REVISION,
            "waiting": self._db.waiting,
            "trouble": self._db.trouble or "none",
        }

    async def _know(self, viewer: AccountRef | None) -> None:
        """Whose \\Seen is to be kept has a row."""
        if viewer is not None:
            await self.ensure_account(viewer)

    @property
    def _keeps(self) -> bool:
        return self._settings.keep_expunged > 0
