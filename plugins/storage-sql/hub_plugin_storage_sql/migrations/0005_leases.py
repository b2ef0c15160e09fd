"""The rows of a lease are found by its number."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

LEASED = sa.text("lease > 0")


def upgrade() -> None:
    """An index on the few that somebody is sending."""
    op.create_index("queue_of_lease", "queue", ["lease"], sqlite_where=LEASED, postgresql_where=LEASED)


def downgrade() -> None:
    """The whole queue is looked through again."""
    op.drop_index("queue_of_lease", "queue")
