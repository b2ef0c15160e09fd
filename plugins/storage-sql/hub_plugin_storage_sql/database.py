"""What a database does for the store. Statements are SQLAlchemy Core; a backend compiles each of them once.

All that a backend decides (who writes, how an account is locked, what wakes a watcher) stands in the package
of its name; everything else is written against this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import ClauseElement, Connection

from hub import LogEntry

if TYPE_CHECKING:
    from hub_plugin_storage_sql.transaction import Transaction

R = TypeVar("R")

Row: TypeAlias = tuple[Any, ...]  # what a cursor gives; each reader of one knows its columns


class Statement:
    """A Core statement and the order in which its bound values are given."""

    __slots__ = ("core", "names")

    def __init__(self, core: ClauseElement, names: str = "") -> None:
        self.core = core
        self.names = tuple(names.split())


class Reads(Protocol):
    """A connection in a consistent state of the database, for the length of one piece of work."""

    @property
    def core(self) -> Connection:
        """The same connection for whole SQLAlchemy statements, which cost more."""

    def rows(self, statement: Statement, *values: object) -> list[Row]:
        """All rows of a query."""

    def row(self, statement: Statement, *values: object) -> Row | None:
        """The first row of a query, which should have one at most."""


class Writes(Reads, Protocol):
    """A connection inside a write transaction."""

    def run(self, statement: Statement, *values: object) -> int:
        """Execute once; how many rows it touched."""

    def many(self, statement: Statement, values: Iterable[Sequence[object]]) -> None:
        """Execute once for each sequence of values."""


class Database(Protocol):
    """One backend, open."""

    async def write(self, work: Callable[[Transaction], R], *, brief: bool = False) -> R:
        """Do the work in the next group commit; durable when this returns.

        The work may be run more than once (a group that fails is split), so it touches the transaction alone.
        brief: it touches only a few rows by key, so that a database in this process may do it on the loop.
        """

    async def point(self, work: Callable[[Reads], R]) -> R:
        """Read a few rows by key."""

    def peek(self, work: Callable[[Reads], R]) -> R:
        """The same without waiting, for who cannot."""
        ...

    async def read(self, work: Callable[[Reads], R]) -> R:
        """Read any number of rows, in one consistent state, off the event loop."""

    async def close(self) -> None:
        """Commit what is waiting and let the database go."""

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""

    def watch(self, watcher: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call it on the event loop with every new entry of the log; gives the function that ends it."""
