"""What `hub db` does: every branch of the schema looked at, brought to its head, taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory

from hub import MigrationStatus
from hub_plugin_storage_sql import revisions
from hub_plugin_storage_sql.sqlite.connection import Compiler, SqliteConnection
from hub_plugin_storage_sql.sqlite.schema_lock import schema_transaction


class SqlMigrations:
    """`hub.Migrations` of one SQLite file. branches: plugin → the folder of its migrations."""

    def __init__(self, path: Path, branches: Mapping[str, Path]) -> None:
        self._path = path
        others = {name: folder for name, folder in sorted(branches.items()) if name != revisions.BRANCH}
        self._branches = {revisions.BRANCH: revisions.FOLDER, **others}

    def status(self) -> Sequence[MigrationStatus]:
        """Every branch, the storage's own first."""
        found: dict[str, str | None] = {}
        if self._path.exists():
            connection = SqliteConnection(self._path, Compiler(), read_only=True)
            try:
                found = {branch: revisions.current(connection.core, branch) for branch in self._branches}
            finally:
                connection.close()
        return [
            MigrationStatus(branch, found.get(branch), revisions.head(folder))
            for branch, folder in self._branches.items()
        ]

    def upgrade(self, *, dry_run: bool = False) -> Sequence[str]:
        """Bring all branches to their heads, all or none; the SQL."""
        statements: list[str] = []
        if dry_run and not self._path.exists():
            with TemporaryDirectory() as elsewhere:
                return SqlMigrations(Path(elsewhere) / "index.sqlite", self._branches).upgrade()
        with schema_transaction(self._path, statements, keep=not dry_run) as connection:
            for branch, folder in self._branches.items():
                found = revisions.current(connection, branch)
                if found != revisions.head(folder):
                    revisions.require_known(branch, found, folder)
                    revisions.upgrade(connection, branch, folder)
        return statements

    def downgrade(self, branch: str, revision: str, *, dry_run: bool = False) -> Sequence[str]:
        """Take one branch back to a revision. LookupError names what there is."""
        folder = self._branches.get(branch)
        if folder is None:
            near = get_close_matches(branch, self._branches, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(self._branches)}"
            raise LookupError(f"no plugin {branch!r} has tables; {hint}")
        statements: list[str] = []
        if self._path.exists():
            with schema_transaction(self._path, statements, keep=not dry_run) as connection:
                revisions.require_known(branch, revisions.current(connection, branch), folder)
                revisions.downgrade(connection, branch, folder, revision)
        return statements
