"""Looking at and changing the tables in the server, one process at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection

from hub import Secret
from hub_plugin_storage_sql.postgresql.connection import PostgresConnection, postgres_compiler
from hub_plugin_storage_sql.revisions import recorded

R = TypeVar("R")

_LOCK: Final = "SELECT pg_advisory_xact_lock(5208519817211342848)"  # a number of our own


class PostgresSchema:
    """The `Schema` of one database."""

    def __init__(self, url: Secret) -> None:
        self._url = url

    def look(self, work: Callable[[Connection], R]) -> R | None:
        """Read in one transaction. OSError if the server cannot be reached."""
        return self._run(work, read_only=True, end="ROLLBACK")

    def change(
        self, work: Callable[[Connection], R], statements: list[str] | None = None, *, keep: bool = True
    ) -> R:
        """One transaction under a lock of the database; here tables, too, are made all or none."""
        end = "COMMIT" if keep else "ROLLBACK"
        return self._run(work, read_only=False, also=_LOCK, end=end, statements=statements)

    def _run(
        self,
        work: Callable[[Connection], R],
        *,
        read_only: bool,
        end: str,
        also: str = "",
        statements: list[str] | None = None,
    ) -> R:
        connection = PostgresConnection(self._url, postgres_compiler(), read_only=read_only)

        def transaction() -> R:
            connection.ensure()
            connection.begin("READ COMMITTED", also=also)
            with connection.core.begin(), recorded(connection.core, statements):
                result = work(connection.core)
            connection.script(end)
            return result

        def whole() -> R:
            try:
                return connection.do(transaction)
            finally:
                connection.close()

        # The caller's thread may run an event loop, and the connection has its own.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(whole).result()
