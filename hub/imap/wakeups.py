"""Who wants to know of a mailbox: one watch on the change log for all sessions of a listener."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.services.log import LogEntry
from hub.services.storage import Storage


class Wakeups:
    """Calls back, on the event loop, when the log has an entry for a mailbox that somebody looks at."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._watchers: dict[int, set[Callable[[], None]]] = {}
        self._end: Callable[[], None] | None = None

    def watch(self, mailbox: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back at each change of the mailbox; gives the function that ends it."""
        if self._end is None:
            self._end = self._storage.watch(self._changed)
        self._watchers.setdefault(mailbox, set()).add(callback)
        return lambda: self._unwatch(mailbox, callback)

    def _unwatch(self, mailbox: int, callback: Callable[[], None]) -> None:
        watchers = self._watchers.get(mailbox)
        if watchers is None:
            return
        watchers.discard(callback)
        if not watchers:
            del self._watchers[mailbox]
        if not self._watchers and self._end is not None:
            self._end()
            self._end = None

    def _changed(self, entries: Sequence[LogEntry]) -> None:
        for mailbox in {entry.collection for entry in entries if entry.collection is not None}:
            for callback in tuple(self._watchers.get(mailbox, ())):
                callback()
