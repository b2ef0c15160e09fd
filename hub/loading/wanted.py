"""Messages whose summaries somebody has missed, for who makes them when there is time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

MOST: Final = 100_000
"""Messages that are remembered; who is forgotten is missed again."""

FEW: Final = 50
"""Messages that a client asks for as they come, rather than as one that lists a mailbox."""


class Wanted:
    """By mailbox; each message once."""

    def __init__(self) -> None:
        self._uids: dict[int, set[int]] = {}
        self._count = 0
        self.missed = 0
        """How often somebody has asked for many, who may go on to."""
        self.news = asyncio.Event()
        """Set while there is something."""

    def add(self, mailbox: int, uids: Collection[int]) -> None:
        """Ask for these."""
        self.missed += len(uids) > FEW
        if self._count >= MOST:
            return
        known = self._uids.setdefault(mailbox, set())
        before = len(known)
        known.update(uids)
        self._count += len(known) - before
        self.news.set()

    def take(self) -> tuple[int, list[int]] | None:
        """All of one mailbox, ascending; None if nothing is wanted."""
        if not self._uids:
            self.news.clear()
            return None
        mailbox, uids = self._uids.popitem()
        self._count -= len(uids)
        return mailbox, sorted(uids)
