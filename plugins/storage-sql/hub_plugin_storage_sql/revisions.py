"""The schema's revisions: one Alembic branch per plugin, each with a version table of its own.

So a branch neither knows nor hinders another, and a plugin that is gone leaves nothing that must be found.
All functions here run inside a transaction that somebody else has begun. Alembic itself is imported only
when something is to be migrated.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, MetaData, event, inspect, text

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

BRANCH: Final = "storage-sql"
FOLDER: Final = Path(__file__).parent / "migrations"


class SchemaError(RuntimeError):
    """The tables in the database are not those of this code; says what to do."""


def version_table(branch: str) -> str:
    """Where a branch keeps its revision."""
    return "alembic_version_" + branch.replace("-", "_")


def current(connection: Connection, branch: str) -> str | None:
    """The revision that the database has of a branch, None if it has none."""
    table = version_table(branch)
    if not inspect(connection).has_table(table):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {table}")).scalar()
    return revision


def head(folder: Path) -> str:
    """The newest revision in a folder of migrations. SchemaError if there is not exactly one."""
    revisions = _revisions(folder)
    heads = revisions.keys() - set(revisions.values())
    if len(heads) != 1:
        raise SchemaError(
            f"{folder} must have one newest revision, but has {', '.join(sorted(heads)) or 'none'}"
        )
    return heads.pop()


def require_head(branch: str, found: str | None, folder: Path) -> None:
    """SchemaError unless the database has the newest revision of the folder."""
    newest = head(folder)
    require_known(branch, found, folder)
    if found != newest:
        raise SchemaError(
            f"the database has revision {found or 'base'} of the tables of {branch}, this version needs "
            f"{newest}; stop the hub, make a backup and run: hub db upgrade"
        )


def require_known(branch: str, found: str | None, folder: Path) -> None:
    """SchemaError if the database has a revision that the folder does not: a later version made it."""
    if found is None or found in _revisions(folder):
        return
    raise SchemaError(
        f"the database has revision {found} of the tables of {branch}, which this version (up to "
        f"{head(folder)}) does not know; install the version of {branch} that made it, or a newer one"
    )


def require_tables(connection: Connection, branch: str, metadata: object) -> None:
    """SchemaError unless the database has every table of a plugin's metadata."""
    if not isinstance(metadata, MetaData):
        raise TypeError(f"{branch}: the tables are an sqlalchemy.MetaData, not {type(metadata).__name__}")
    missing = metadata.tables.keys() - set(inspect(connection).get_table_names())
    if missing:
        raise SchemaError(f"the migrations of {branch} do not make the table {', '.join(sorted(missing))}")


def upgrade(connection: Connection, branch: str, folder: Path) -> None:
    """Bring a branch to its newest revision."""
    _run(connection, branch, folder, lambda script, found: script._upgrade_revs("heads", found))


def downgrade(connection: Connection, branch: str, folder: Path, revision: str) -> None:
    """Take a branch back to a revision or before its first (`base`). LookupError if there is none such."""
    if revision != "base" and revision not in _revisions(folder):
        raise LookupError(
            f"{branch} has no revision {revision!r}; it has: base, {', '.join(sorted(_revisions(folder)))}"
        )
    _run(connection, branch, folder, lambda script, found: script._downgrade_revs(revision, found))


@contextmanager
def recorded(connection: Connection, statements: list[str] | None) -> Iterator[None]:
    """Meanwhile the list gets the SQL that is run, reads left out."""

    def record(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statements is not None and not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            statements.append(statement.strip())

    event.listen(connection, "before_cursor_execute", record)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", record)


def _run(
    connection: Connection, branch: str, folder: Path, steps: Callable[[ScriptDirectory, str], object]
) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(folder), version_locations=[str(folder)])
    context = MigrationContext.configure(
        connection,
        opts={
            "version_table": version_table(branch),
            "script": script,
            "fn": lambda found, _: steps(script, found),
        },
    )
    with Operations.context(context):
        context.run_migrations()


def _revisions(folder: Path) -> dict[str, str | None]:
    """Revision → the one before it, as literals in the files, which are not run."""
    if not folder.is_dir():
        raise SchemaError(f"there is no folder {folder} with the migrations of the tables")
    found: dict[str, str | None] = {}
    for path in sorted(folder.glob("*.py")):
        names: dict[str, str | None] = {}
        for node in ast.parse(path.read_bytes(), str(path)).body:
            target, value = _assigned(node)
            if target in ("revision", "down_revision"):
                names[target] = value
        revision = names.get("revision")
        if revision is not None:
            found[revision] = names.get("down_revision")
    return found


def _assigned(node: ast.stmt) -> tuple[str, str | None]:
    """The name and the text of `name = "text"`."""
    if isinstance(node, ast.Assign):
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return "", None
    text = value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
    return target.id if isinstance(target, ast.Name) else "", text
