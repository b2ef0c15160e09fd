"""The mailboxes that sessions of this process have open: each is read, and brought up to date, once for all
of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias
from weakref import ref

from hub.imap.snapshot import EMPTY, Difference, Snapshot, advanced, difference, holds, loaded, merged
from hub.imap.wakeups import Wakeups
from hub.loading.kernel import Kernel
from hub.mail.login import AccountRef
from hub.services.log import ChangeKind, LogEntry
from hub.services.states import NO_STATES, Known, States
from hub.services.storage import Mailbox, MailboxChanges, MailboxMissing, Storage

REMEMBERED: Final = 100_000
"""Messages, in all, of mailboxes that were closed a while ago; a client often comes back to the same."""
_HEARD: Final = 64
_ALL_UIDS: Final = ((1, (1 << 32) - 1),)

Key: TypeAlias = tuple[int, AccountRef | None]
"""A mailbox and who looks at it: \\Seen is each viewer's own."""


class Mirror:
    """One mailbox as one viewer sees it, for the sessions that have it open.

    newest: as far as it was read; stale: something may have happened since.
    """

    __slots__ = (
        "_heard",
        "_known",
        "_reading",
        "_storage",
        "_unread",
        "callbacks",
        "id",
        "is_loaded",
        "newest",
        "viewer",
    )

    def __init__(
        self, storage: Callable[[], Storage], key: Key, newest: Snapshot, *, is_loaded: bool
    ) -> None:
        self._storage = storage
        self.id, self.viewer = key
        self.newest = newest
        self.is_loaded = is_loaded
        self.callbacks: set[Callable[[], None]] = set()
        self._unread = True
        self._heard: list[LogEntry] = []  # of the log, and not known yet to be in `newest`
        self._reading: asyncio.Future[None] | None = None
        self._known: tuple[ref[Snapshot], ref[Snapshot], Difference] | None = None

    @property
    def stale(self) -> bool:
        """Whether `current` would read, or wait for who does."""
        if self._heard:
            self._forget_what_is_known()
        return self._unread or bool(self._heard) or self._reading is not None

    @property
    def known(self) -> Known:
        """`newest`, for the storage."""
        if self._heard:
            self._forget_what_is_known()
        newest = self.newest
        return Known(newest.modseq, States(newest.uids, newest.flags, newest.modseqs))

    def doubt(self) -> None:
        """Something may have happened that the log has not told of yet."""
        self._unread = True

    def hear(self, entries: Sequence[LogEntry]) -> None:
        """What the log has told."""
        if len(self._heard) + len(entries) > _HEARD:
            self._unread = True
            self._heard.clear()
        else:
            self._heard.extend(entries)
        for callback in tuple(self.callbacks):
            callback()

    async def current(self) -> Snapshot:
        """The mailbox as it stands now: read by the first who asks, while the others wait.

        A mailbox that was deleted is an empty one; MailboxMissing if it was never read.
        """
        while self.stale:
            if self._reading is not None:
                await asyncio.shield(self._reading)
                continue
            self._reading = asyncio.get_running_loop().create_future()
            self._unread, self._heard = False, []
            try:
                await self._read()
            except BaseException:
                self._unread = True
                raise
            finally:
                self._reading.set_result(None)
                self._reading = None
        return self.newest

    def merge(self, states: States) -> None:
        """Take in what a session of this process has stored, which need not be read then."""
        self.newest = merged(self.newest, states)

    def difference(self, known: Snapshot) -> Difference:
        """What has happened since then; found out once for all who know the same."""
        if self._known is not None:
            earlier, later, found = self._known
            if earlier() is known and later() is self.newest:
                return found
        found = difference(known, self.newest)
        self._known = (ref(known), ref(self.newest), found)
        return found

    async def _read(self) -> None:
        storage = self._storage()
        if not self.is_loaded:
            states = await storage.states(self.id, self.viewer)
            self.newest = loaded(states, self.newest.modseq)
            self.is_loaded = True
        try:
            changes = await storage.changes(self.id, self.newest.modseq, self.viewer)
        except MailboxMissing:
            changes = MailboxChanges(self.newest.modseq, 0, NO_STATES, _ALL_UIDS)
        if changes.changed or changes.vanished or changes.highest_modseq != self.newest.modseq:
            self.newest = advanced(self.newest, changes)

    def _forget_what_is_known(self) -> None:
        """Drop entries about changes that `newest` has already: sessions of this process have made them."""
        left = [entry for entry in self._heard if entry.modseq > self.newest.modseq]
        if left and all(
            entry.kind is ChangeKind.FLAGGED
            and holds(self.newest, entry.first_uid, entry.last_uid, entry.modseq)
            for entry in left
        ):
            self.newest = replace(self.newest, modseq=max(entry.modseq for entry in left))
            left = []
        self._heard = left


_Watched: TypeAlias = tuple[Mirror, Callable[[], None]]
"""A mirror, and what ends its hearing of changes."""


class Mirrors:
    """Every mirror of this process, also of mailboxes that nobody has open any more: these hear on what
    happens, so that nothing is read for who comes back to one that is as it was."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.wakeups = Wakeups(kernel.services.storage)
        self._open: dict[Key, _Watched] = {}
        self._recent: OrderedDict[Key, _Watched] = OrderedDict()
        self._held = 0  # by them, as `REMEMBERED` counts

    async def open(
        self, mailbox: Mailbox, viewer: AccountRef | None, callback: Callable[[], None]
    ) -> tuple[Mirror, Callable[[], None]]:
        """The mirror of a mailbox that was just read, current, and what ends the use of it. MailboxMissing.

        callback: is called at each change, and where there only may have been one.
        """
        key = mailbox.id, viewer
        if key not in self._open:
            self._open[key] = self._taken_up(key) or self._make(key, mailbox)
        mirror, _ = self._open[key]
        if not mirror.stale and mailbox.highest_modseq > mirror.newest.modseq:
            mirror.doubt()
        mirror.callbacks.add(callback)

        def end() -> None:
            mirror.callbacks.discard(callback)
            if not mirror.callbacks and key in self._open:
                self._close(key)

        try:
            await mirror.current()
        except BaseException:
            end()
            raise
        return mirror, end

    def _make(self, key: Key, mailbox: Mailbox) -> _Watched:
        newest = replace(EMPTY, modseq=mailbox.highest_modseq)
        mirror = Mirror(lambda: self._kernel.services.storage, key, newest, is_loaded=False)
        return mirror, self.wakeups.watch(key[0], mirror.hear)

    def _taken_up(self, key: Key) -> _Watched | None:
        """What was left a while ago."""
        watched = self._recent.pop(key, None)
        if watched is not None:
            self._held -= _weight(watched)
        return watched

    def _close(self, key: Key) -> None:
        watched = self._open.pop(key)
        mirror, unwatch = watched
        if not mirror.is_loaded:
            return unwatch()
        self._recent[key] = watched
        self._held += _weight(watched)
        while self._held > REMEMBERED:
            _, oldest = self._recent.popitem(last=False)
            self._held -= _weight(oldest)
            oldest[1]()
        return None


def _weight(watched: _Watched) -> int:
    return len(watched[0].newest.uids) + 1
