"""What a database does for the store. Statements are SQLAlchemy Core; a backend compiles each of them once.

All that a backend decides (who writes, how an account is locked, what wakes a watcher) stands in the package
of its name; everything else is written against this page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from sqlalchemy import ClauseElement, Connection

from hub import AccountRef, LogEntry

if TYPE_CHECKING:
    from hub_plugin_storage_sql.transaction import Transaction

R = TypeVar("R")

MAX_POSITION: Final = (1 << 63) - 1
"""Behind every position of the log."""

Compiled: TypeAlias = "tuple[str, Callable[[Sequence[object]], Sequence[object]] | None]"
"""The text of a statement, and what puts its values into the order of its marks unless they are in it."""
Row: TypeAlias = tuple[Any, ...]  # what a cursor gives; each reader of one knows its columns


class Statement:
    """A Core statement and the order in which its bound values are given.

    compiled: for each database by its name, made by the compiler; it goes with the statement.
    """

    __slots__ = ("compiled", "core", "names")

    def __init__(self, core: ClauseElement, names: str = "") -> None:
        self.core = core
        self.names = tuple(names.split())
        self.compiled: dict[str, Compiled] = {}


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

    def locked(self, statement: Statement, *values: object) -> Row | None:
        """The row of an account, its id first, which nobody else changes until the transaction ends.

        May raise, so that the work is run anew, rather than let two transactions wait for each other.
        """

    def run(self, statement: Statement, *values: object) -> int:
        """Execute once; how many rows it touched."""

    def many(self, statement: Statement, values: Iterable[Sequence[object]]) -> None:
        """Execute once for each sequence of values."""


class Database(Protocol):
    """One backend, open."""

    async def write(
        self,
        work: Callable[[Transaction], R],
        *,
        brief: bool = False,
        accounts: Sequence[AccountRef] = (),
    ) -> R:
        """Do the work in the next group commit; durable when this returns.

        The work may be run more than once (a group that fails is split), so it touches the transaction alone.
        brief: it touches only a few rows by key, so that a database in this process may do it on the loop.
        accounts: of those that it will change, as many as one knows: they may then be locked at once.
        """

    async def write_apart(self, work: Callable[[Transaction], R]) -> R:
        """The same for rows that belong to no account (keys, counters, plugins' tables).

        What such works read and write is as if one had come after the other, whichever processes do them.
        """

    async def point(self, work: Callable[[Reads], R]) -> R:
        """Read a few rows by key; each statement sees what is committed when it runs."""

    def peek(self, work: Callable[[Reads], R]) -> R | None:
        """The same without waiting, for who cannot; None where the database is not in this process."""
        ...

    async def read(self, work: Callable[[Reads], R]) -> R:
        """Read any number of rows, in one consistent state, off the event loop."""

    async def close(self) -> None:
        """Commit what is waiting and let the database go."""

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""

    async def settled(self) -> int:
        """The position of the log up to which nothing can appear any more that cannot be read now."""
        ...

    @property
    def trouble(self) -> str:
        """Why the database cannot be used just now; empty while it can."""

    def watch(self, watcher: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        """Call it on the event loop with every new entry of the log; gives the function that ends it."""


class Schema(Protocol):
    """The tables of a database while nobody need serve. Plain functions that may take long."""

    def look(self, work: Callable[[Connection], R]) -> R | None:
        """Read; None if there is no database yet."""

    def change(
        self, work: Callable[[Connection], R], statements: list[str] | None = None, *, keep: bool = True
    ) -> R:
        """One transaction, all or nothing of it, under a lock that all processes wait for.

        statements: gets the SQL that is run, reads left out. keep: False undoes everything at the end.
        """
