"""Fields that are searched for, beside the other parts of a summary."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """They are made with the rest, when a message is next asked about."""
    op.add_column("summary", sa.Column("fields", sa.LargeBinary()))


def downgrade() -> None:
    """They can be made again."""
    op.drop_column("summary", "fields")
