"""Which processes put blobs, and up to where each has settled what it put."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from hub import Tables
from hub_plugin_blobs_sql.names import Name, Names
from hub_plugin_blobs_sql.tables import WRITER

SAY_SECONDS: Final = 30.0
"""How often a process says what it has settled."""
DEAD_SECONDS: Final = 3600.0
"""After which a process that says nothing is believed dead."""


async def say_settled(tables: Tables, names: Names, now: float) -> None:
    """Note it in this process's row."""
    settled = names.settled

    def work(connection: Connection) -> None:
        row = update(WRITER).where(WRITER.c.id == names.writer).values(settled=settled, seen=now)
        if not connection.execute(row).rowcount:
            connection.execute(insert(WRITER).values(id=names.writer, settled=settled, seen=now))

    await tables.write(work)


async def leave(tables: Tables, names: Names) -> None:
    """Whoever has no row puts nothing any more."""
    await tables.write(
        lambda connection: connection.execute(delete(WRITER).where(WRITER.c.id == names.writer))
    )


def living(connection: Connection, now: float) -> Mapping[str, str]:
    """Writers that may still give their blobs rows → the name below which they will not."""
    rows = connection.execute(select(WRITER.c.id, WRITER.c.settled).where(WRITER.c.seen > now - DEAD_SECONDS))
    return {row.id: row.settled for row in rows}


def forget_dead(connection: Connection, now: float) -> None:
    """Remove the rows of writers that are believed dead, as if they had left."""
    connection.execute(delete(WRITER).where(WRITER.c.seen <= now - DEAD_SECONDS))


def is_settled(name: Name, writers: Mapping[str, str]) -> bool:
    """Whether the blob has all the rows that it will ever get."""
    bound = writers.get(name.writer)
    return bound is None or name.text < bound
