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
    """The columns that were searched last."""

    __slots__ = ("_columns", "_limit")

    def __init__(self, limit: int = MAX_VALUES) -> None:
        self._limit = limit
        self._columns: OrderedDict[tuple[int, MessageColumn], Values] = OrderedDict()

    def values(self, mailbox: int, column: MessageColumn) -> Values:
        """To read and to add to."""
        values = self._columns.setdefault((mailbox, column), {})
        self._columns.move_to_end((mailbox, column))
        return values

    def trim(self, mailbox: int, messages: int) -> None:
        """Forget what is too much, and what is expunged. messages: how many this mailbox has."""
        for key, values in list(self._columns.items()):
            if key[0] == mailbox and len(values) > 2 * messages + 1000:
                del self._columns[key]
        count = sum(map(len, self._columns.values()))
        while count > self._limit:
            count -= len(self._columns.popitem(last=False)[1])


def column_cache(kernel: Kernel) -> ColumnCache:
    """The one of this process."""
    found = kernel.shared.setdefault("imap columns", ColumnCache())
    assert isinstance(found, ColumnCache)
    return found
