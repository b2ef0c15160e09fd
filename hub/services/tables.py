"""A plugin's own tables in the hub's database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

T = TypeVar("T")


class Tables(Protocol):
    """Runs a plugin's statements.

    The work is a plain function over an SQLAlchemy connection, whichever the database.
    """

    async def rows(self, query: Select[Any], **values: object) -> Sequence[tuple[Any, ...]]:
        """The few rows of a query by key, which is compiled once: in a quarter of the time of a `point`.

        query: the same object in every call. values: of all its parameters (`bindparam`), by name.
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
