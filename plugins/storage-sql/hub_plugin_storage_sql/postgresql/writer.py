"""Group commits over one connection; what was committed is known even if the answer to COMMIT is not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from hub import AccountRef, Clock
from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.postgresql.connection import Contended, PostgresConnection
from hub_plugin_storage_sql.postgresql.errors import CONFLICTS, sqlstate, translated
from hub_plugin_storage_sql.schema import KV
from hub_plugin_storage_sql.transaction import Transaction

ATTEMPTS: Final = 20
"""How often a transaction that others get in the way of is run anew."""
UNKNOWN_SECONDS: Final = 30.0
"""How long the outcome of a COMMIT is asked for when its answer was lost."""
RETRY_SECONDS: Final = 0.2
_FAILED_BEFORE: Final = "25P02"
_KEPT_SECONDS: Final = 86_400.0

CHANNEL: Final = "mail_hub_log"

KNOWN_ACCOUNTS: Final = 100_000
"""Accounts whose ids, which never change, a writer keeps in memory."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done in a transaction, and accounts that it will change."""

    do: Callable[[Transaction], object]
    accounts: tuple[AccountRef, ...] = ()


# Each writer keeps in one row which transaction it has committed last. Rows of dead ones expire.
_MARK = insert(KV).values(
    namespace=bindparam("space"),
    key=bindparam("writer"),
    value=bindparam("token"),
    expires=bindparam("until"),
)
_SET_MARK = Statement(
    _MARK.on_conflict_do_update(
        index_elements=[KV.c.namespace, KV.c.key],
        set_={"value": _MARK.excluded.value, "expires": _MARK.excluded.expires},
    ),
    "space writer token until",
)
_GET_MARK = Statement(
    _MARK.on_conflict_do_update(
        index_elements=[KV.c.namespace, KV.c.key], set_={"expires": _MARK.excluded.expires}
    ).returning(KV.c.value),
    "space writer token until",
)


class Writer:
    """Runs groups of work in one thread. also: SQL that begins a transaction; notice: SQL that follows it."""

    def __init__(
        self,
        connection: PostgresConnection,
        clock: Clock,
        isolation: str,
        *,
        also: str = "",
        notice: str = "",
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._isolation = isolation
        self._also = also
        self._notice = notice
        self._ids: dict[AccountRef, int] = {}
        self._name = f"writer:{secrets.token_hex(8)}"

    def commit(self, works: Sequence[Work]) -> list[object | BaseException]:
        """All in one transaction; when it fails, each half in its own, so that the guilty fails alone."""
        return self._connection.do(lambda: self._commit(works))

    def _commit(self, works: Sequence[Work]) -> list[object | BaseException]:
        try:
            self._connection.ensure()
            return list(self._attempts(works))
        except BaseException as error:
            if isinstance(error, TimeoutError):
                self._connection.drop()  # nobody knows what still goes on over it
            if len(works) == 1 or not self._connection.is_open:
                return [translated(error)] * len(works)
        half = len(works) // 2
        return [*self._commit(works[:half]), *self._commit(works[half:])]

    def _attempts(self, works: Sequence[Work]) -> Sequence[object]:
        accounts: frozenset[int] = frozenset()
        for left in reversed(range(ATTEMPTS)):
            try:
                return self._transaction(works, accounts)
            except Contended as contended:
                accounts |= contended.accounts
            except Exception as error:
                if sqlstate(error) not in CONFLICTS or not left:
                    raise
            finally:
                self._connection.roll_back()
        raise OSError("the accounts of this group stayed locked")

    def _transaction(self, works: Sequence[Work], accounts: frozenset[int]) -> Sequence[object]:
        connection = self._connection
        token = secrets.token_bytes(16)
        self._begin()
        connection.run(_SET_MARK, "storage-sql", self._name, token, self._clock.time() + _KEPT_SECONDS)
        tx = Transaction(connection, self._clock.time(), _room)
        self._lock(tx, {ref for work in works for ref in work.accounts}, accounts)
        results = []
        for work in works:
            tx.begin()
            results.append(work.do(tx))
        tx.flush()
        try:
            # COMMIT of a transaction in which a statement has failed says nothing of it; SELECT does.
            connection.script("SELECT 1; COMMIT; " + self._notice)
        except Exception as error:
            if sqlstate(error) in (_FAILED_BEFORE, *CONFLICTS) or not self._was_committed(token):
                raise
        return results

    def _begin(self) -> None:
        """With a new connection if the old one turns out to be gone: nothing has happened over it yet."""
        try:
            self._connection.begin(self._isolation, self._also)
        except Exception:
            if not self._connection.is_lost:
                raise
            self._connection.ensure()
            self._connection.begin(self._isolation, self._also)

    def _lock(self, tx: Transaction, refs: set[AccountRef], others: frozenset[int]) -> None:
        """Lock all accounts that are known to be wanted, at once: nobody is waited for out of order."""
        unknown = [ref for ref in refs if ref not in self._ids]
        if unknown:
            if len(self._ids) > KNOWN_ACCOUNTS:
                self._ids.clear()
            self._ids |= self._connection.account_ids(unknown)
        wanted = {self._ids[ref]: ref for ref in refs if ref in self._ids}
        if wanted or others:
            for row in self._connection.lock_accounts({*wanted, *others}):
                if row[0] in wanted:
                    tx.know_account(wanted[row[0]], row)

    def _was_committed(self, token: bytes) -> bool:
        """Ask the database, as soon as it can be asked; OSError if that takes too long."""
        deadline = time.monotonic() + UNKNOWN_SECONDS
        self._connection.drop()
        while True:
            try:
                self._connection.ensure()
                # Waits for the old transaction if the server is still busy with it.
                until = self._clock.time() + _KEPT_SECONDS
                row = self._connection.row(_GET_MARK, "storage-sql", self._name, b"", until)
                return row is not None and row[0] == token
            except Exception:
                self._connection.drop()
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_SECONDS)


def _room() -> int:
    """The server's disk is not ours to measure; when it is full the server says so."""
    return 1
