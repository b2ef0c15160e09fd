"""The key-value space and plugins' own tables."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from hub.services.storage import Storage
from hub.testing.clock import ManualClock
from hub.testing.contracts.storage.fixtures import ALICE, OpenStorage, StorageFixtures, inbox
from hub.testing.contracts.storage_peer import acceptance

METADATA = sa.MetaData()
NOTE = sa.Table(
    "contract_note",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None


def upgrade():
    op.create_table("contract_note", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("contract_note")
"""

SECOND = """
import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"


def upgrade():
    op.add_column("contract_note", sa.Column("text", sa.Text, nullable=False, server_default=""))


def downgrade():
    op.drop_column("contract_note", "text")
"""


class SharedStateContract(StorageFixtures):
    """`kv` and `tables`."""

    @pytest.fixture
    def migrations(self, tmp_path: Path) -> Path:
        """A plugin's folder of two revisions."""
        folder = tmp_path / "migrations"
        folder.mkdir()
        (folder / "a1_note.py").write_text(FIRST)
        (folder / "a2_text.py").write_text(SECOND)
        return folder

    async def test_a_value_is_kept_replaced_and_removed(
        self, storage: Storage, open_storage: OpenStorage
    ) -> None:
        kv = storage.kv("one")
        assert await kv.get("key") is None
        await kv.set("key", b"\x00first")
        await kv.set("key", b"second")
        await kv.set("empty", b"")
        assert await kv.get("key") == b"second"
        assert await kv.get("empty") == b""
        assert await storage.kv("two").get("key") is None
        async with open_storage() as another:
            assert await another.kv("one").get("key") == b"second"
        await kv.set("key", None)
        await kv.set("never", None)
        assert await kv.get("key") is None

    async def test_a_value_expires(self, storage: Storage, clock: ManualClock) -> None:
        kv = storage.kv("one")
        await kv.set("short", b"1", expires=10)
        await kv.set("long", b"2", expires=1000)
        await kv.set("renewed", b"3", expires=10)
        await kv.set("renewed", b"3")
        await clock.turn(10)
        assert await kv.get("short") is None
        assert await kv.scan("") == [("long", b"2"), ("renewed", b"3")]
        assert await kv.compare_and_set("short", None, b"again")
        assert await kv.get("short") == b"again"

    async def test_a_value_is_replaced_only_if_it_is_the_expected_one(self, storage: Storage) -> None:
        kv = storage.kv("one")
        assert not await kv.compare_and_set("key", b"x", b"y")
        assert await kv.compare_and_set("key", None, b"1")
        assert not await kv.compare_and_set("key", None, b"2")
        assert await kv.compare_and_set("key", b"1", b"2")
        won = await asyncio.gather(*[kv.compare_and_set("key", b"2", b"%d" % n) for n in range(10, 20)])
        assert won.count(True) == 1
        assert await kv.get("key") == b"%d" % (10 + won.index(True))
        assert await kv.compare_and_set("key", await kv.get("key"), None)
        assert await kv.get("key") is None

    async def test_a_scan_finds_exactly_the_keys_with_the_prefix(self, storage: Storage) -> None:
        kv = storage.kv("one")
        for key in ("a", "a/1", "a/2", "a/\U0010ffff", "a0", "b", "A/1", "a/%", "ä"):
            await kv.set(key, key.encode())
        await storage.kv("two").set("a/3", b"")
        assert [key for key, _ in await kv.scan("a/")] == ["a/%", "a/1", "a/2", "a/\U0010ffff"]
        assert [key for key, _ in await kv.scan("a/\U0010ffff")] == ["a/\U0010ffff"]
        assert len(await kv.scan("")) == 9

    async def test_what_is_too_large_is_refused(self, storage: Storage) -> None:
        kv = storage.kv("one")
        await kv.set("ä" * 127, b"x" * (64 << 10))
        assert [len(value) for _, value in await kv.scan("")] == [64 << 10]
        for key, value in (("", b""), ("ä" * 128, b""), ("key", b"x" * ((64 << 10) + 1))):
            with pytest.raises(ValueError, match="octets"):
                await kv.set(key, value)
        with pytest.raises(ValueError, match="octets"):
            kv.count("x" * 256, window=60)

    async def test_a_counter_counts_at_once_and_starts_anew_with_its_window(
        self, storage: Storage, clock: ManualClock
    ) -> None:
        kv = storage.kv("one")
        assert [kv.count("hits", window=60) for _ in range(3)] == [1, 2, 3]
        assert kv.count("hits", 10, window=60) == 13
        assert kv.count("others", window=60) == 1
        assert storage.kv("two").count("hits", window=60) == 1
        await clock.turn(60)
        assert kv.count("hits", window=60) == 1

    async def test_a_counter_is_found_by_another_worker(self, open_storage: OpenStorage) -> None:
        async with open_storage() as one:
            one.kv("one").count("hits", 5, window=3600)
        async with open_storage() as one, open_storage() as another:
            assert another.kv("one").count("hits", 2, window=3600) == 7
            seen = 0
            deadline = asyncio.get_running_loop().time() + 10
            while seen < 7 and asyncio.get_running_loop().time() < deadline:
                seen = one.kv("one").count("hits", 0, window=3600)
                await asyncio.sleep(0.01)
            assert seen == 7

    async def test_a_plugins_tables_are_made_by_its_migrations(
        self, open_storage: OpenStorage, migrations: Path
    ) -> None:
        async with open_storage() as storage:
            tables = await storage.tables("contract", METADATA, str(migrations))
            await tables.write(lambda db: db.execute(sa.insert(NOTE), [{"text": "one"}, {"text": "two"}]))
        async with open_storage() as storage:
            tables = await storage.tables("contract", METADATA, str(migrations))
            query = sa.select(NOTE.c.text).order_by(NOTE.c.id)
            assert await tables.point(lambda db: db.execute(query).scalars().all()) == ["one", "two"]
            assert await tables.read(lambda db: db.execute(query).scalars().all()) == ["one", "two"]

    async def test_a_query_that_is_asked_again_and_again_has_values_of_its_types(
        self, storage: Storage, migrations: Path
    ) -> None:
        tables = await storage.tables("contract", METADATA, str(migrations))
        await tables.write(lambda db: db.execute(sa.insert(NOTE), [{"text": text} for text in "abc"]))
        query = (
            sa.select(NOTE.c.text, NOTE.c.text == sa.bindparam("this"), sa.literal("x"))
            .where(NOTE.c.text < sa.bindparam("end"))
            .order_by(NOTE.c.id)
            .limit(2)
        )
        for this, expected in (("a", [True, False]), ("b", [False, True])):
            rows = await tables.rows(query, end="z", this=this)
            assert [text for text, *_ in rows] == ["a", "b"]
            assert [found for _, found, _ in rows] == expected
            assert all(type(found) is bool and literal == "x" for _, found, literal in rows)
        assert await tables.rows(query, this="a", end="") == []

    async def test_a_failing_write_is_undone_alone(self, storage: Storage, migrations: Path) -> None:
        tables = await storage.tables("contract", METADATA, str(migrations))

        def add(text: str, fails: bool) -> object:
            def work(db: sa.Connection) -> str:
                db.execute(sa.insert(NOTE).values(text=text))
                db.commit()  # of no effect: the transaction is the group's
                if fails:
                    raise KeyError(text)
                return text

            return tables.write(work)

        results = await asyncio.gather(
            *[add(f"n{number}", number % 7 == 3) for number in range(30)],  # type: ignore[call-overload]
            *[storage.accept(acceptance(f"m{number}", ALICE)) for number in range(30)],
            return_exceptions=True,
        )
        assert sum(isinstance(result, KeyError) for result in results) == 4
        assert sum(isinstance(result, BaseException) for result in results) == 4
        texts = await tables.read(lambda db: set(db.execute(sa.select(NOTE.c.text)).scalars()))
        assert texts == {f"n{number}" for number in range(30) if number % 7 != 3}
        assert (await inbox(storage)).messages == 30

    async def test_readers_write_nothing(self, storage: Storage, migrations: Path) -> None:
        tables = await storage.tables("contract", METADATA, str(migrations))
        for read in (tables.point, tables.read):
            with pytest.raises(sa.exc.DBAPIError):
                await read(lambda db: db.execute(sa.insert(NOTE).values(text="x")))

    async def test_tables_of_another_revision_are_refused_with_what_to_do(
        self, open_storage: OpenStorage, migrations: Path
    ) -> None:
        second = migrations / "a2_text.py"
        second.rename(migrations / "a2_text.later")
        async with open_storage() as storage:
            with pytest.raises(RuntimeError, match="contract_other"):
                await storage.tables("contract", _metadata("contract_other"), str(migrations))
            second.with_suffix(".later").rename(second)
            with pytest.raises(RuntimeError, match=r"needs a2; .* hub db upgrade"):
                await storage.tables("contract", METADATA, str(migrations))
            (migrations / "a1_note.py").rename(migrations / "a1_note.gone")
            second.write_text(SECOND.replace('"a2"', '"b1"').replace('"a1"', "None"))
            with pytest.raises(RuntimeError, match=r"revision a1 .* does not know"):
                await storage.tables("contract", METADATA, str(migrations))


def _metadata(name: str) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table(name, metadata, sa.Column("id", sa.Integer, primary_key=True))
    return metadata
