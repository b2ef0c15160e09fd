"""The schema of the whole store, which `hub db` brings up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One Alembic branch: the plugin that owns it, the revision in the database and the one in the code."""

    branch: str
    current: str | None
    head: str


class Migrations(Protocol):
    """The schema of the whole database, every plugin's branch.

    Plain functions that may take long, run before serving.
    """

    def status(self) -> Sequence[MigrationStatus]:
        """Every branch, the storage's own first."""

    def upgrade(self, *, dry_run: bool = False) -> Sequence[str]:
        """Bring all branches to their heads under a lock; the SQL that was, or with dry_run would be, run."""

    def downgrade(self, branch: str, revision: str, *, dry_run: bool = False) -> Sequence[str]:
        """Take one branch back to a revision (`base` is before its first) under the same lock."""
