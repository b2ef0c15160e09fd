"""What the tables hold: large messages in pieces, damage that is noticed, garbage that goes."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hub_plugin_blobs_sql import SqlBlobs
from hub_plugin_blobs_sql.names import Names, parse
from hub_plugin_blobs_sql.tables import BLOB, CHUNK, METADATA, PIECE, WRITER
from hub_plugin_blobs_sql.writers import DEAD_SECONDS

from hub import Acceptance, AccountRef, BlobGone, BlobRecord, Delivery, Storage, StoreFull, Tables
from hub.testing.clock import ManualClock

from .conftest import MIGRATIONS, Open

HEAD = b"Subject: one\r\n\r\n"


@pytest.fixture
async def tables(storage: Storage, blobs: SqlBlobs) -> Tables:
    return await storage.tables("blobs-sql", METADATA, MIGRATIONS)


async def count(tables: Tables, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return await tables.read(lambda db: db.execute(query).scalar_one())


async def accept(storage: Storage, reference: str) -> None:
    """A message in INBOX whose bytes are that blob."""
    delivery = Delivery(AccountRef("default", "alice"), "INBOX", b"")
    await storage.accept(Acceptance(reference, reference, 1, 2, 0.0, None, (delivery,), ()))


async def test_the_migration_makes_the_tables_that_the_code_uses(tables: Tables) -> None:
    def differences(db: sa.Connection) -> list[object]:
        context = MigrationContext.configure(db, opts={"compare_type": True})
        return [
            each
            for each in compare_metadata(context, METADATA)
            if each[0] != "remove_table" and each[0] != "remove_index"
        ]

    assert await tables.read(differences) == []


@pytest.mark.proves("store: message bytes in the database, where several hubs share it (`blobs-sql`)")
async def test_a_large_message_is_never_in_memory_whole(blobs: SqlBlobs, tables: Tables) -> None:
    piece = os.urandom(PIECE)
    spool = await blobs.spool()
    tracemalloc.start()
    for _ in range(160):  # 40 MiB
        await spool.write(piece)
    reference = await spool.keep(HEAD, b"recovery")
    size = 0
    async for part in blobs.stream(reference):
        size += len(part)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == len(HEAD) + 160 * PIECE
    assert await count(tables, CHUNK) == 160
    assert peak < 16 << 20


async def test_puts_that_come_together_share_a_transaction(
    blobs: SqlBlobs, storage: Storage, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = type(tables).write

    async def counted(self: Tables, work: object) -> object:
        written.append(work)
        return await write(self, work)  # type: ignore[arg-type]

    monkeypatch.setattr(type(tables), "write", counted)
    await asyncio.gather(*[blobs.put(HEAD, b"%d" % number, b"") for number in range(100)])
    assert len(written) <= 3


async def test_a_message_that_cannot_be_stored_fails_alone(blobs: SqlBlobs, tables: Tables) -> None:
    taken = await blobs.put(HEAD, b"there", b"")
    names = blobs._names
    given, names.new = names.new, lambda: taken  # type: ignore[method-assign]
    clash = asyncio.create_task(blobs.put(HEAD, b"clash", b""))
    await asyncio.sleep(0)
    names.new = given  # type: ignore[method-assign]
    good = await asyncio.gather(*[blobs.put(HEAD, b"%d" % number, b"") for number in range(5)])
    with pytest.raises(sa.exc.IntegrityError):
        await clash
    assert await blobs.read(taken) == HEAD + b"there"
    assert [await blobs.read(each) for each in good] == [HEAD + b"%d" % number for number in range(5)]


@pytest.mark.parametrize("large", [False, True])
async def test_damage_is_noticed(blobs: SqlBlobs, tables: Tables, large: bool) -> None:
    reference = await blobs.put(HEAD, b"x" * (2 * PIECE if large else 100), b"r")
    other = await blobs.put(HEAD, b"", b"")
    changed = sa.update(BLOB).where(BLOB.c.name == reference).values(data=HEAD + b"y" * 100)
    gone = sa.delete(CHUNK).where(CHUNK.c.blob == reference, CHUNK.c.number == 1)
    await tables.write(lambda db: db.execute(gone if large else changed))
    with pytest.raises(BlobGone):
        await blobs.read(reference)
    wrong, missing, right = await blobs.inspect([reference, "nothing", other], deep=True)
    assert isinstance(wrong, BlobGone)
    assert isinstance(missing, BlobGone)
    assert isinstance(right, BlobRecord)
    assert [type(found) for found in [each async for each in blobs.records()]] == [BlobGone, BlobRecord]


async def test_every_blob_is_listed_by_its_age_with_what_was_said_of_it(
    blobs: SqlBlobs, manual_clock: ManualClock
) -> None:
    first = await blobs.put(HEAD, b"body", b"recovery")
    at = manual_clock.time()
    await manual_clock.turn(5)
    second = await blobs.put(b"", b"", b"")
    done: list[tuple[int, int]] = []
    found = [each async for each in blobs.records(lambda *figures: done.append(figures))]
    assert found == [
        BlobRecord(first, len(HEAD), len(HEAD) + 4, at, b"recovery"),
        BlobRecord(second, 0, 0, at + 5, b""),
    ]
    assert done[-1] == (len(HEAD) + 4, len(HEAD) + 4)
    assert list(await blobs.inspect([second, first], deep=False)) == found[::-1]


async def test_blobs_without_rows_are_removed_once_they_are_settled(
    blobs: SqlBlobs, storage: Storage, tables: Tables
) -> None:
    kept, garbage, waiting = [await blobs.put(HEAD, body, b"") for body in (b"1", b"22", b"x" * 2 * PIECE)]
    await accept(storage, kept)
    blobs.settle(kept)
    blobs.settle(garbage)
    would = await blobs.collect(storage, dry_run=True)
    assert (would.blobs, would.freed, would.left) == (1, len(HEAD) + 2, len(HEAD) + 2 * PIECE)
    assert await blobs.read(garbage) == HEAD + b"22"
    assert await blobs.collect(storage) == would
    with pytest.raises(BlobGone):
        await blobs.read(garbage)
    assert await blobs.read(kept) == HEAD + b"1"
    blobs.settle(waiting)
    assert (await blobs.collect(storage)).blobs == 1
    assert await count(tables, CHUNK) == 0
    assert await count(tables, BLOB) == 1


async def test_another_process_leaves_alone_what_is_not_settled(
    open_store: Open, storage: Storage, manual_clock: ManualClock
) -> None:
    async with open_store() as one:
        async with open_store() as other:
            reference = await other.put(HEAD, b"", b"")
            assert (await one.collect(storage)).left == len(HEAD)
            for _ in range(3):  # it says again and again that it lives, and whoever collects says so, too
                await manual_clock.turn(DEAD_SECONDS / 2)
                assert (await other.collect(storage)).left == len(HEAD)
            assert (await one.collect(storage)).blobs == 0
            assert await one.read(reference) == HEAD
        assert (await one.collect(storage)).blobs == 1


async def test_what_a_killed_process_has_left_goes_an_hour_later(
    blobs: SqlBlobs, storage: Storage, tables: Tables, manual_clock: ManualClock
) -> None:
    names = Names(blobs._names.store, manual_clock.time)
    half = names.new()
    writer = {"id": names.writer, "settled": names.settled, "seen": manual_clock.time()}
    await tables.write(lambda db: db.execute(sa.insert(WRITER).values(**writer)))
    chunk = {"blob": half, "number": 0, "data": b"x" * 100}
    await tables.write(lambda db: db.execute(sa.insert(CHUNK).values(**chunk)))
    assert (await blobs.collect(storage)).left == 100
    await manual_clock.turn(DEAD_SECONDS + 1)
    assert (await blobs.collect(storage)).freed == 100
    assert await count(tables, CHUNK) == 0
    assert await count(tables, WRITER) == 1


async def test_names_only_rise_whatever_the_clock_does() -> None:
    now = 1000.0
    names = Names("abcdefgh", lambda: now)
    given = [names.new() for _ in range(3)]
    now = 900.0
    given += [names.new() for _ in range(70_000)]
    assert given == sorted(set(given))
    assert names.settled == given[0]
    for name in given:
        names.settle(name)
    bound = names.settled
    assert given[-1] < bound < names.new()
    with pytest.raises(BlobGone, match="abcdefgh"):
        parse("ijklmnop" + given[0][8:], "abcdefgh")


async def test_a_large_message_leaves_some_of_the_disk_free(open_store: Open, folder: Path) -> None:
    async with open_store(keep_free=1 << 60) as blobs:
        spool = await blobs.spool()
        with pytest.raises(StoreFull):
            await spool.write(b"x" * 2_000_000)
        await spool.discard()
    assert list(folder.iterdir()) == []


async def test_files_of_killed_processes_are_removed_at_the_start(open_store: Open, folder: Path) -> None:
    left = folder / "0123456789abcdef.part"
    left.write_bytes(b"half a message")
    async with open_store() as one:
        assert not left.exists()
        spool = await one.spool()
        body = await spool.body()
        async with open_store():
            assert body.path.exists()
