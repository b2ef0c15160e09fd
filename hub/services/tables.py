"""A plugin's own tables in the hub's database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")


class Tables(Protocol):
    """Runs a plugin's statements.

    The work is a plain function over an SQLAlchemy connection, whichever the database.
    """

    async def point(self, work: Callable[[Connection], T]) -> T:
        """A read by key, short enough for the event loop: at most a few rows."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """A read of any length, in a reader thread."""

    async def write(self, work: Callable[[Connection], T]) -> T:
        """One transaction in the group commit, durable when this returns.

        An exception in it undoes it alone. The work may run again from the start when a neighbour in the
        group has failed, so it does nothing but its statements; it neither begins nor commits.
        """
