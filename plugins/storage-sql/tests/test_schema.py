"""Migrations make the tables that the code uses, and nothing opens what they have not made."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hub_plugin_storage_sql import SqlStorage
from hub_plugin_storage_sql.indexes import METADATA
from hub_plugin_storage_sql.revisions import BRANCH, FOLDER, SchemaError, head, upgrade
from hub_plugin_storage_sql.schema import REVISION
from hub_plugin_storage_sql.sqlite.schema_lock import schema_transaction
from sqlalchemy import inspect, text

from hub import Migrations
from hub.testing.plugin import PluginScope


@pytest.fixture
async def migrations(plugin_scope: PluginScope) -> Migrations:
    return SqlStorage.migrations(plugin_scope("storage-sql"), {})


def tables(index: Path) -> set[str]:
    """The names of all tables in the file but SQLite's own."""
    with sqlite3.connect(index) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    with schema_transaction(tmp_path / "index.sqlite") as connection:
        upgrade(connection, BRANCH, FOLDER)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = [
            each
            for each in compare_metadata(context, METADATA)
            if not (each[0] == "remove_table" and each[1].name.startswith("alembic_version_"))
        ]
        assert differences == []
        indexes = {
            index["name"]: index["column_names"]
            for table in METADATA.tables
            for index in inspect(connection).get_indexes(table)
        }
        assert indexes.keys() == {index.name for table in METADATA.tables.values() for index in table.indexes}
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
        made: dict[str, str] = {row.name: row.sql for row in rows}
    for table in METADATA.tables.values():
        assert ("WITHOUT ROWID" in made[table.name]) == (
            table.dialect_options["sqlite"]["with_rowid"] is False
        ), table.name
        assert ("AUTOINCREMENT" in made[table.name]) == table.dialect_options["sqlite"]["autoincrement"]


def test_the_code_knows_its_newest_revision_without_alembic() -> None:
    assert head(FOLDER) == REVISION


def test_a_start_imports_alembic_only_to_migrate(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from hub.testing.clock import ManualClock
from hub.testing.scopes import make_scope
from hub_plugin_storage_sql import SqlStorage

async def main():
    async with SqlStorage(make_scope("storage-sql", Path(sys.argv[1]), ManualClock())):
        print("alembic" in sys.modules)

asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert said == ["True\n", "False\n"]


async def test_a_downgrade_to_base_leaves_no_table_and_an_upgrade_makes_them_again(
    migrations: Migrations, index: Path
) -> None:
    ran = migrations.upgrade()
    assert any("CREATE TABLE item" in statement for statement in ran)
    assert migrations.upgrade() == []
    assert METADATA.tables.keys() <= tables(index)
    migrations.downgrade(BRANCH, "base")
    assert tables(index) - {"sqlite_sequence"} == {"alembic_version_storage_sql"}
    assert [(each.branch, each.current, each.head) for each in migrations.status()] == [
        (BRANCH, None, REVISION)
    ]
    migrations.upgrade()
    assert METADATA.tables.keys() <= tables(index)


@pytest.mark.proves(
    "operation: `hub db status`, `upgrade` and `downgrade`, with a dry run, over every plugin's"
    " own migrations"
)
async def test_a_dry_run_tells_the_sql_and_leaves_everything_as_it_was(
    migrations: Migrations, index: Path
) -> None:
    would = migrations.upgrade(dry_run=True)
    assert not index.exists()
    assert migrations.upgrade() == would
    undone = migrations.downgrade(BRANCH, "base", dry_run=True)
    assert "DROP TABLE item" in undone
    assert METADATA.tables.keys() <= tables(index)
    assert migrations.status()[0].current == REVISION


async def test_branches_are_independent_and_a_failing_one_undoes_all(
    plugin_scope: PluginScope, tmp_path: Path, index: Path
) -> None:
    folder = tmp_path / "branch"
    folder.mkdir()
    revision = folder / "0001_first.py"
    revision.write_text(
        "from alembic import op\nrevision: str = '0001'\ndown_revision = None\n"
        "def upgrade():\n    op.execute('CREATE TABLE mine (id INTEGER PRIMARY KEY)')\n    1 / 0\n"
    )
    migrations = SqlStorage.migrations(plugin_scope("storage-sql"), {"a-plugin": folder})
    with pytest.raises(ZeroDivisionError):
        migrations.upgrade()
    assert tables(index) == set()
    revision.write_text(
        revision.read_text().replace("    1 / 0\n", "def downgrade():\n    op.drop_table('mine')\n")
    )
    migrations.upgrade()
    assert [(each.branch, each.current) for each in migrations.status()] == [
        (BRANCH, REVISION),
        ("a-plugin", "0001"),
    ]
    # A plugin that is gone: its tables stay, and nobody minds.
    without = SqlStorage.migrations(plugin_scope("storage-sql"), {})
    without.downgrade(BRANCH, "base")
    assert without.upgrade() != []
    assert "mine" in tables(index)


async def test_a_migration_that_leaves_a_dangling_reference_is_undone(
    plugin_scope: PluginScope, tmp_path: Path, index: Path
) -> None:
    folder = tmp_path / "branch"
    folder.mkdir()
    (folder / "0001_first.py").write_text(
        "from alembic import op\nrevision = '0001'\ndown_revision = None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE one (id INTEGER PRIMARY KEY)')\n"
        "    op.execute('CREATE TABLE two (one INTEGER REFERENCES one (id))')\n"
        "    op.execute('INSERT INTO two VALUES (7)')\n"
    )
    with pytest.raises(RuntimeError, match="a row of two would refer to no row of one"):
        SqlStorage.migrations(plugin_scope("storage-sql"), {"a-plugin": folder}).upgrade()
    assert tables(index) == set()


@pytest.mark.parametrize("revision", ["9999", "0000"])
async def test_a_store_of_an_unknown_revision_is_not_opened(
    plugin_scope: PluginScope, migrations: Migrations, index: Path, revision: str
) -> None:
    migrations.upgrade()
    with sqlite3.connect(index) as db:
        db.execute("UPDATE alembic_version_storage_sql SET version_num = ?", (revision,))
    with pytest.raises(SchemaError, match=rf"revision {revision} .*up to {REVISION}.* does not know"):
        async with SqlStorage(plugin_scope("storage-sql")):
            pass
    with pytest.raises(SchemaError, match="does not know"):
        migrations.upgrade()


async def test_a_file_that_is_no_database_is_not_touched(plugin_scope: PluginScope, index: Path) -> None:
    index.parent.mkdir(parents=True)
    index.write_bytes(b"not a database, and worth keeping" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        async with SqlStorage(plugin_scope("storage-sql")):
            pass
    assert index.read_bytes() == b"not a database, and worth keeping" * 100


async def test_others_cannot_read_the_file(storage: SqlStorage, index: Path) -> None:
    for path in index.parent.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"__init__.py": ""}, "none"),
        ({"a.py": "revision = 'a'", "b.py": "revision = 'b'"}, "a, b"),
    ],
)
def test_a_folder_needs_one_newest_revision(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(SchemaError, match=f"has {said}"):
        head(tmp_path)
    with pytest.raises(SchemaError, match="no folder"):
        head(tmp_path / "nowhere")
