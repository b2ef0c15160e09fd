"""What never changes about messages, kept in memory by column for all sessions of this process.

A UID names the same message for ever, so nothing here can be out of date.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, TypeAlias

from hub.loading.kernel import Kernel
from hub.services.summary import MessageColumn

Values: TypeAlias = dict[int, Any]
"""By UID."""

MAX_VALUES: Final = 1_000_000


class ColumnCache:
    """The columns of the mailboxes that were searched last."""

    __slots__ = ("_limit", "_mailboxes")

    def __init__(self, limit: int = MAX_VALUES) -> None:
        self._limit = limit
        self._mailboxes: OrderedDict[int, dict[MessageColumn, Values]] = OrderedDict()

    def values(self, mailbox: int, column: MessageColumn) -> Values:
        """To read and to add to."""
        columns = self._mailboxes.setdefault(mailbox, {})
        self._mailboxes.move_to_end(mailbox)
        return columns.setdefault(column, {})

    def trim(self, mailbox: int, messages: int) -> None:
        """Forget what is too much, and what is expunged. messages: how many this mailbox has."""
        columns = self._mailboxes.get(mailbox, {})
        for column, values in list(columns.items()):
            if len(values) > 2 * messages + 1000:
                del columns[column]
        while len(self._mailboxes) > 1 and self._count() > self._limit:
            self._mailboxes.popitem(last=False)
        if self._count() > self._limit:
            self._mailboxes.clear()

    def _count(self) -> int:
        return sum(len(values) for columns in self._mailboxes.values() for values in columns.values())


def column_cache(kernel: Kernel) -> ColumnCache:
    """The one of this process."""
    found = kernel.shared.setdefault("imap columns", ColumnCache())
    assert isinstance(found, ColumnCache)
    return found
