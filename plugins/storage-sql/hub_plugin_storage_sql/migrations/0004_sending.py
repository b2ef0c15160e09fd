"""What is queued is sent: who does it, how often it was tried, when it is tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """What waits already is due at once."""
    for name, kind, default in (
        ("attempts", sa.BigInteger(), "0"),
        ("due_at", sa.Float(), "0"),
        ("lease", sa.BigInteger(), "0"),
        ("leased_until", sa.Float(), "0"),
        ("reply", TEXT, ""),
    ):
        op.add_column("queue", sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index("queue_of_message", "queue", ["message_id"])
    op.create_index("queue_due", "queue", ["state", "due_at"])


def downgrade() -> None:
    """Forget what was tried."""
    op.drop_index("queue_due", "queue")
    op.drop_index("queue_of_message", "queue")
    for name in ("reply", "leased_until", "lease", "due_at", "attempts"):
        op.drop_column("queue", name)
