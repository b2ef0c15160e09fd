"""Blobs verified, listed, and removed when no row refers to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, delete, func, select

from hub import BlobGone, BlobRecord, Collected, Progress, References, Tables
from hub_plugin_blobs_sql import reading
from hub_plugin_blobs_sql.names import LAST, parse
from hub_plugin_blobs_sql.tables import BLOB, CHUNK, PIECE
from hub_plugin_blobs_sql.writers import forget_dead, is_settled, living

PAGE: Final = 1000
"""Blobs that are looked at together."""
REMOVED: Final = 50
"""Blobs that are removed in one transaction."""


async def inspect(
    tables: Tables, store: str, references: Sequence[str], *, deep: bool
) -> Sequence[BlobRecord | BlobGone]:
    """What is known of each of them, in their order."""
    found: list[BlobRecord | BlobGone] = []
    for reference in references:
        try:
            parse(reference, store)
            found.append(await _inspect(tables, reference, deep=deep))
        except BlobGone as error:
            found.append(error)
    return found


async def records(tables: Tables, store: str, progress: Progress) -> AsyncIterator[BlobRecord | BlobGone]:
    """Every blob by its name, verified."""
    total = await tables.read(_total)
    done, after = 0, ""
    while page := await tables.read(partial(_page, after=after)):
        for name, size in page:
            (found,) = await inspect(tables, store, [name], deep=True)
            done += size
            progress(done, total)
            yield found
        after = page[-1][0]


class Collection:
    """One look at all blobs. now: seconds since the epoch."""

    def __init__(self, tables: Tables, store: str, index: References, now: float) -> None:
        self._tables = tables
        self._store = store
        self._index = index
        self._now = now
        self._blobs = self._freed = self._left = 0

    async def run(self, *, dry_run: bool, progress: Progress) -> Collected:
        """Remove what has no rows and will get none; of a dry run the same figures."""
        # In this order: what is settled by now has all its rows when they are looked for.
        writers = await self._tables.read(partial(living, now=self._now))
        total = await self._tables.read(_total)
        done, after = 0, ""
        while page := await self._tables.read(partial(_page, after=after)):
            await self._collect(page, await self._used(after, page[-1][0]), writers, dry_run=dry_run)
            done += sum(size for _, size in page)
            progress(done, total)
            after = page[-1][0]
        await self._collect_chunks(writers, dry_run=dry_run)
        if not dry_run:
            await self._tables.write(partial(forget_dead, now=self._now))
        return Collected(blobs=self._blobs, freed=self._freed, left=self._left)

    async def _used(self, after: str, last: str) -> set[str]:
        used: set[str] = set()
        while uses := await self._index.references(after, last + LAST, PAGE):
            used.update(use.reference for use in uses)
            after = uses[-1].reference
        return used

    async def _collect(
        self,
        page: Sequence[tuple[str, int]],
        used: set[str],
        writers: Mapping[str, str],
        *,
        dry_run: bool,
    ) -> None:
        garbage: list[str] = []
        for name, size in page:
            if name in used:
                continue
            if not is_settled(parse(name, self._store), writers):
                self._left += size
                continue
            garbage.append(name)
            self._blobs += 1
            self._freed += size
        await self._remove(garbage, dry_run=dry_run)

    async def _collect_chunks(self, writers: Mapping[str, str], *, dry_run: bool) -> None:
        """Those of large messages whose writer was gone before it could end them with their blob."""
        after = ""
        while page := await self._tables.read(partial(_unfinished, after=after)):
            garbage = []
            for name, size in page:
                if is_settled(parse(name, self._store), writers):
                    garbage.append(name)
                    self._freed += size
                else:
                    self._left += size
            await self._remove(garbage, dry_run=dry_run)
            after = page[-1][0]

    async def _remove(self, names: Sequence[str], *, dry_run: bool) -> None:
        for start in () if dry_run else range(0, len(names), REMOVED):
            await self._tables.write(partial(_delete, names=names[start : start + REMOVED]))


async def _inspect(tables: Tables, name: str, *, deep: bool) -> BlobRecord:
    query = select(BLOB.c.head_size, BLOB.c.size, BLOB.c.inline_size, BLOB.c.time, BLOB.c.recovery).where(
        BLOB.c.name == name
    )
    chunks = select(func.count()).where(CHUNK.c.blob == name)
    row, count = await tables.read(
        lambda connection: (connection.execute(query).first(), connection.execute(chunks).scalar_one())
    )
    if row is None:
        raise BlobGone(f"{name} is not in the store")
    if count != -(-(row.size - row.inline_size) // PIECE):
        raise BlobGone(f"a piece of {name} is missing")
    if deep:
        async for _ in reading.stream(tables, name, 0, None):
            pass
    return BlobRecord(name, row.head_size, row.size, row.time, row.recovery)


def _total(connection: Connection) -> int:
    """Octets of all blobs."""
    return int(connection.execute(select(func.sum(BLOB.c.size))).scalar() or 0)


def _page(connection: Connection, after: str) -> Sequence[tuple[str, int]]:
    """The next blobs by name, with their sizes."""
    query = select(BLOB.c.name, BLOB.c.size).where(BLOB.c.name > after).order_by(BLOB.c.name).limit(PAGE)
    return [(row.name, row.size) for row in connection.execute(query)]


def _unfinished(connection: Connection, after: str) -> Sequence[tuple[str, int]]:
    """The next names that have chunks and no blob, with the octets of those chunks."""
    query = (
        select(CHUNK.c.blob, func.sum(func.length(CHUNK.c.data)).label("size"))
        .where(CHUNK.c.blob > after, ~select(BLOB.c.name).where(BLOB.c.name == CHUNK.c.blob).exists())
        .group_by(CHUNK.c.blob)
        .order_by(CHUNK.c.blob)
        .limit(PAGE)
    )
    return [(row.blob, int(row.size)) for row in connection.execute(query)]


def _delete(connection: Connection, names: Sequence[str]) -> None:
    connection.execute(delete(CHUNK).where(CHUNK.c.blob.in_(names)))
    connection.execute(delete(BLOB).where(BLOB.c.name.in_(names)))
