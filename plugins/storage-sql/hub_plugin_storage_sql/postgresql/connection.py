"""Connections to the server, and the statements that they run.

The store's work is written as plain functions. asyncpg speaks asyncio: each connection has an event loop of
its own, which runs in the thread that uses it while it is asked something, and a greenlet lets the plain
functions wait for it, SQLAlchemy's own connection included.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy import Connection, NullPool, Select, create_engine
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.util import await_only, greenlet_spawn

from hub import AccountRef, Secret
from hub_plugin_storage_sql.compiling import Compiler, Values
from hub_plugin_storage_sql.database import Row, Statement
from hub_plugin_storage_sql.schema import ACCOUNT

R = TypeVar("R")

CONNECT_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 60.0
"""How long a statement may take; a server that says nothing for so long is as good as gone."""

_SETTINGS: Final = {
    "application_name": "mail-hub",
    # A hub that was stopped in the middle keeps no account locked.
    "idle_in_transaction_session_timeout": "60000",
    "jit": "off",
    # What is read together lies together: the messages and summaries of a mailbox are looked up by ascending
    # ids, where the planner would rather read those of all mailboxes.
    "random_page_cost": "1.1",
}


class Contended(Exception):
    """An account is locked by another transaction; begin anew and lock all of these first, in order."""

    def __init__(self, accounts: frozenset[int]) -> None:
        super().__init__("other transactions hold accounts of this one")
        self.accounts = accounts


def postgres_compiler() -> Compiler:
    """For asyncpg."""
    return Compiler(dialect())  # type: ignore[no-untyped-call]


def shown(url: Secret) -> str:
    """The URL without its password and what follows the name of the database."""
    parts = urlsplit(url.reveal())
    where = parts.netloc.rpartition("@")
    user = where[0].partition(":")[0]
    return urlunsplit((parts.scheme, f"{user}@{where[2]}" if user else where[2], parts.path, "", ""))


async def connect(url: Secret, *, read_only: bool) -> Any:
    """An asyncpg connection of the running loop. OSError if the server cannot be reached or refuses."""
    settings = {**_SETTINGS, "default_transaction_read_only": "on"} if read_only else _SETTINGS
    try:
        return await asyncpg.connect(
            url.reveal(),
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=512,
            server_settings=settings,
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        code = error.errno if isinstance(error, OSError) else None
        reason = str(error) or type(error).__name__
        raise ConnectionError(
            code or errno.ENOTCONN, f"no connection to the database {shown(url)}: {reason}"
        ) from None  # the frames of asyncpg hold the password, and some logs print what frames hold


class PostgresConnection:
    """One connection, for one thread at a time: the Reads and Writes of this database.

    Everything but `do` and `close` is called inside of a work that `do` runs. It connects when it is needed.
    """

    def __init__(self, url: Secret, compiler: Compiler, *, read_only: bool) -> None:
        self._url = url
        self._compiler = compiler
        self._read_only = read_only
        self._loop = asyncio.new_event_loop()
        self._raw: Any = None  # asyncpg has no types
        self._core: Connection | None = None
        self._held: set[int] = set()
        self._locking: dict[tuple[Statement, bool], Statement] = {}

    def do(self, work: Callable[[], R]) -> R:
        """Run a plain function that uses the connection, and give what it returns."""
        return self._loop.run_until_complete(greenlet_spawn(work))

    def close(self) -> None:
        """Let the server go; not from a thread whose own event loop runs."""
        try:
            self.do(self.drop)
        finally:
            self._loop.close()

    # -- inside of a work

    @property
    def is_lost(self) -> bool:
        """Whether there was a connection, and it is no more."""
        return self._raw is not None and self._raw.is_closed()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as one can know without asking the server."""
        return self._raw is not None and not self._raw.is_closed()

    def ensure(self) -> None:
        """Connect, unless a connection is open as far as one can know. ConnectionError."""
        if self.is_lost:
            self.drop()
        if self._raw is None:
            self._raw = await_only(connect(self._url, read_only=self._read_only))

    def drop(self) -> None:
        """End the connection, whatever its state; the next `ensure` makes another."""
        raw, self._raw = self._raw, None
        core, self._core = self._core, None
        if core is not None:
            core.invalidate()  # its pool then forgets the connection
        if raw is not None:
            await_only(_end(raw))
        self._held.clear()

    @property
    def core(self) -> Connection:
        """The same connection for whole SQLAlchemy statements."""
        if self._core is None:
            raw = self._raw

            async def given(*_: object, **__: object) -> object:
                return raw

            # With AUTOCOMMIT SQLAlchemy begins and ends no transaction: they are ours.
            engine = create_engine(
                "postgresql+asyncpg://",
                connect_args={"async_creator_fn": given},
                poolclass=NullPool,
                isolation_level="AUTOCOMMIT",
            )
            self._core = engine.connect()
        return self._core

    def script(self, text: str) -> None:
        """Statements of our own without values, in one round trip."""
        await_only(self._raw.execute(text))

    def ask(self, question: Callable[[Any], Awaitable[R]]) -> R:
        """Whatever a coroutine asks an asyncpg connection."""
        return await_only(question(self._raw))

    def rows(self, statement: Statement, *values: object) -> list[Row]:
        """All rows of a query; none for a text that the database cannot hold."""
        if _has_nul(values):
            return []
        text, order = self._compiler(statement)
        return cast("list[Row]", await_only(self._raw.fetch(text, *(order(values) if order else values))))

    def row(self, statement: Statement, *values: object) -> Row | None:
        """The first row of a query."""
        if _has_nul(values):
            return None
        text, order = self._compiler(statement)
        found = await_only(self._raw.fetchrow(text, *(order(values) if order else values)))
        return cast("Row | None", found)

    def run(self, statement: Statement, *values: object) -> int:
        """Execute once; how many rows it touched."""
        text, order = self._compiler(statement)
        status: str = await_only(self._raw.execute(text, *(order(values) if order else values)))
        return int(status.rpartition(" ")[2])

    def many(self, statement: Statement, values: Iterable[Values]) -> None:
        """Execute once for each sequence of values, all in one round trip."""
        text, order = self._compiler(statement)
        await_only(self._raw.executemany(text, values if order is None else map(order, values)))

    def locked(self, statement: Statement, *values: object) -> Row | None:
        """The row of an account, locked. It waits only while no other is held; Contended otherwise."""
        row = self.row(self._locks(statement, waits=not self._held), *values)
        if row is None and self._held:
            other = self.row(statement, *values)
            if other is not None:
                raise Contended(frozenset({*self._held, other[0]}))
        if row is not None:
            self._held.add(row[0])
        return row

    def begin(self, isolation: str, also: str = "") -> None:
        """Begin a transaction. also: more SQL of our own."""
        self._held.clear()
        self.script(f"BEGIN ISOLATION LEVEL {isolation}; {also}")

    def lock_accounts(self, ids: Iterable[int]) -> list[Row]:
        """Lock those accounts that are there, in the order of their ids; their rows."""
        rows = cast("list[Row]", await_only(self._raw.fetch(_LOCK_ACCOUNTS, list(ids))))
        self._held.update(row[0] for row in rows)
        return rows

    def account_ids(self, refs: Sequence[AccountRef]) -> dict[AccountRef, int]:
        """The ids of those accounts that are there, not locked."""
        tenants, keys = [ref.tenant for ref in refs], [ref.key for ref in refs]
        rows = await_only(self._raw.fetch(_FIND_ACCOUNTS, tenants, keys))
        return {AccountRef(tenant, key): id_ for tenant, key, id_ in rows}

    def roll_back(self) -> None:
        """Undo the transaction, if there is one and a connection."""
        self._held.clear()
        if self.is_open and self._raw.is_in_transaction():
            self.script("ROLLBACK")

    def _locks(self, statement: Statement, *, waits: bool) -> Statement:
        """The statement with the lock on its accounts' rows."""
        found = self._locking.get((statement, waits))
        if found is None:
            query = cast("Select[Any]", statement.core)
            locking = query.with_for_update(of=ACCOUNT, key_share=True, skip_locked=not waits)
            found = self._locking[statement, waits] = Statement(locking, " ".join(statement.names))
        return found


_LOCK_ACCOUNTS: Final = """
SELECT id, modseq, uidvalidity, size, messages FROM account
WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""
_FIND_ACCOUNTS: Final = """
SELECT tenant.name, account.key, account.id
FROM unnest($1::text[], $2::text[]) AS wanted (tenant, key)
JOIN tenant ON tenant.name = wanted.tenant
JOIN account ON account.tenant_id = tenant.id AND account.key = wanted.key
"""


def _has_nul(values: Values) -> bool:
    """Whether there is a text with a NUL, which is in no row of PostgreSQL and which it will not look for."""
    return any(isinstance(value, str) and "\0" in value for value in values)


async def _end(raw: Any) -> None:
    try:
        await raw.close(timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raw.terminate()
    await asyncio.sleep(0)  # the transport closes in the next turn of the loop
