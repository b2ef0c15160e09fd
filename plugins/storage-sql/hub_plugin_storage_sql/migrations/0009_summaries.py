"""Summaries beside items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """None is made yet."""
    op.create_table(
        "summary",
        sa.Column("id", KEY, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("bodystructure", sa.LargeBinary()),
        sa.Column("preview", sa.LargeBinary()),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("is_reply", sa.Boolean(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("to", sa.LargeBinary(), nullable=False),
        sa.Column("cc", sa.LargeBinary(), nullable=False),
        sa.Column("sender_name", sa.LargeBinary(), nullable=False),
        sa.Column("to_name", sa.LargeBinary(), nullable=False),
        sa.Column("sent", sa.BigInteger()),
        sa.Column("sent_day", sa.BigInteger()),
        sa.Column("header_id", sa.LargeBinary(), nullable=False),
        sa.Column("references", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    """They can be made again."""
    op.drop_table("summary")
