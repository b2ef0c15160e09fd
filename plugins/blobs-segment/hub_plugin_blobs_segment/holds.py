"""Which files this process may still give rows to: a lock on the file tells all others.

A file is locked from its making until it is sealed and each of its messages has its rows or will never have
any. So who gets the lock of a file knows that what has no row there is garbage.
"""

from __future__ import annotations

import os
from threading import Lock


class Pending:
    """One message on its way into a segment. reference: once it is durable."""

    __slots__ = ("abandoned", "reference")

    def __init__(self) -> None:
        self.reference = ""
        self.abandoned = False


class Holds:
    """Sealed files that stay open, and with it locked; used on the event loop and in the writers' threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._unsettled: dict[str, set[str]] = {}
        self._sealed: dict[str, int] = {}

    def put(self, pending: Pending, file: str, reference: str) -> None:
        """A message is durable, and whoever waits for it will say what becomes of it."""
        with self._lock:
            pending.reference = reference
            if not pending.abandoned:
                self._unsettled.setdefault(file, set()).add(reference)

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for it any more: it will have no rows."""
        with self._lock:
            pending.abandoned = True
            reference = pending.reference
        if reference:
            self.settle(reference)

    def settle(self, reference: str) -> None:
        """It has its rows, or will never have any."""
        file = reference.partition(":")[0]
        with self._lock:
            waiting = self._unsettled.get(file)
            if waiting is None:
                return
            waiting.discard(reference)
            if not waiting:
                del self._unsettled[file]
                fd = self._sealed.pop(file, -1)
                if fd >= 0:
                    os.close(fd)

    def sealed(self, file: str, fd: int) -> None:
        """Nothing is appended to it any more; the descriptor is closed as soon as all in it is settled."""
        with self._lock:
            if file in self._unsettled:
                self._sealed[file] = fd
                return
        os.close(fd)

    def close(self) -> None:
        """Let all go: this process gives rows to nothing any more."""
        with self._lock:
            while self._sealed:
                os.close(self._sealed.popitem()[1])
            self._unsettled.clear()
