"""Who wants to know of a mailbox or an account: one watch on the change log for all sessions of a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from hub.mail.login import AccountRef
from hub.services.log import LogEntry
from hub.services.storage import Storage

Key: TypeAlias = int | AccountRef
"""A mailbox, by its id, or all that happens to an account."""
Heard: TypeAlias = Callable[[Sequence[LogEntry]], None]


class Wakeups:
    """Calls back, on the event loop, with what the log says of something that somebody looks at."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._watchers: dict[Key, dict[object, Heard]] = {}
        self._end: Callable[[], None] | None = None

    def watch(self, key: Key, callback: Heard) -> Callable[[], None]:
        """Call back with the entries about it, in order; gives the function that ends it."""
        if self._end is None:
            self._end = self._storage.watch(self._changed)
        token = object()  # who watches anew begins before its old watch ends, with the same callback
        self._watchers.setdefault(key, {})[token] = callback
        return lambda: self._unwatch(key, token)

    def _unwatch(self, key: Key, token: object) -> None:
        watchers = self._watchers.get(key)
        if watchers is None:
            return
        watchers.pop(token, None)
        if not watchers:
            del self._watchers[key]
        if not self._watchers and self._end is not None:
            self._end()
            self._end = None

    def _changed(self, entries: Sequence[LogEntry]) -> None:
        told: dict[Key, list[LogEntry]] = {}
        for entry in entries:
            for key in (entry.collection, entry.account):
                if key is not None and key in self._watchers:
                    told.setdefault(key, []).append(entry)
        for key, about in told.items():
            for callback in tuple(self._watchers.get(key, {}).values()):
                callback(about)
