"""What `hub db` does: every branch of the schema looked at, brought to its head, taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from sqlalchemy import Connection

from hub import MigrationStatus
from hub_plugin_storage_sql import revisions
from hub_plugin_storage_sql.database import Schema
from hub_plugin_storage_sql.schema import REVISION


class SqlMigrations:
    """`hub.Migrations` of one database. branches: plugin → the folder of its migrations."""

    def __init__(self, schema: Schema, branches: Mapping[str, Path]) -> None:
        self._schema = schema
        others = {name: folder for name, folder in sorted(branches.items()) if name != revisions.BRANCH}
        self._branches = {revisions.BRANCH: revisions.FOLDER, **others}

    def status(self) -> Sequence[MigrationStatus]:
        """Every branch, the storage's own first."""

        def look(connection: Connection) -> dict[str, str | None]:
            return {branch: revisions.current(connection, branch) for branch in self._branches}

        found = self._schema.look(look) or {}
        return [
            MigrationStatus(branch, found.get(branch), revisions.head(folder))
            for branch, folder in self._branches.items()
        ]

    def upgrade(self, *, dry_run: bool = False) -> Sequence[str]:
        """Bring all branches to their heads, all or none; the SQL."""

        def change(connection: Connection) -> None:
            for branch, folder in self._branches.items():
                found = revisions.current(connection, branch)
                if found != revisions.head(folder):
                    revisions.require_known(branch, found, folder)
                    revisions.upgrade(connection, branch, folder)

        statements: list[str] = []
        self._schema.change(change, statements, keep=not dry_run)
        return statements

    def downgrade(self, branch: str, revision: str, *, dry_run: bool = False) -> Sequence[str]:
        """Take one branch back to a revision. LookupError names what there is."""
        folder = self._branches.get(branch)
        if folder is None:
            near = get_close_matches(branch, self._branches, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(self._branches)}"
            raise LookupError(f"no plugin {branch!r} has tables; {hint}")

        def change(connection: Connection) -> None:
            revisions.require_known(branch, revisions.current(connection, branch), folder)
            revisions.downgrade(connection, branch, folder, revision)

        statements: list[str] = []
        if self._schema.look(lambda _: True):
            self._schema.change(change, statements, keep=not dry_run)
        return statements


def prepare_schema(schema: Schema) -> None:
    """Make the tables of a store that has none; SchemaError if it has others."""

    def change(connection: Connection) -> None:
        found = revisions.current(connection, revisions.BRANCH)
        if found == REVISION:
            return
        if found is None:
            revisions.upgrade(connection, revisions.BRANCH, revisions.FOLDER)
        else:
            revisions.require_head(revisions.BRANCH, found, revisions.FOLDER)

    schema.change(change)


def make_branch(schema: Schema, branch: str, folder: Path) -> None:
    """Run a plugin's migrations, unless another process has done it meanwhile."""

    def change(connection: Connection) -> None:
        if revisions.current(connection, branch) is None:
            revisions.upgrade(connection, branch, folder)

    schema.change(change)
