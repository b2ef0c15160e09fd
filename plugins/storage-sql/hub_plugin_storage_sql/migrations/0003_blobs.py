"""Who refers to a blob, for the collection of garbage and for compaction."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """References sort by age, so these grow at their end."""
    op.create_index("item_of_blob", "item", ["blob"])
    op.create_index("queue_of_blob", "queue", ["blob"])


def downgrade() -> None:
    """Forget them."""
    op.drop_index("queue_of_blob", "queue")
    op.drop_index("item_of_blob", "item")
