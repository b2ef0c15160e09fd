"""Personal mail goes first, and what is due is found without looking at what is not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

FREE, LEASED = sa.text("lease = 0"), sa.text("lease > 0")


def upgrade() -> None:
    """What waits already counts as personal."""
    op.add_column("queue", sa.Column("priority", sa.BigInteger(), nullable=False, server_default="0"))
    op.drop_index("queue_due", "queue")
    op.create_index(
        "queue_due",
        "queue",
        ["state", "priority", "due_at"],
        sqlite_where=FREE,
        postgresql_where=FREE,
    )
    op.create_index(
        "queue_lease_end", "queue", ["leased_until"], sqlite_where=LEASED, postgresql_where=LEASED
    )


def downgrade() -> None:
    """All mail is equal again."""
    op.drop_index("queue_lease_end", "queue")
    op.drop_index("queue_due", "queue")
    op.create_index("queue_due", "queue", ["state", "due_at"])
    op.drop_column("queue", "priority")
