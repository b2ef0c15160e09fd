"""Summaries beside items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


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
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("is_reply", sa.Boolean(), nullable=False),
        sa.Column("from_", TEXT, nullable=False),
        sa.Column("to", TEXT, nullable=False),
        sa.Column("cc", TEXT, nullable=False),
        sa.Column("from_name", TEXT, nullable=False),
        sa.Column("to_name", TEXT, nullable=False),
        sa.Column("sent", sa.BigInteger()),
        sa.Column("header_id", TEXT, nullable=False),
        sa.Column("references", TEXT, nullable=False),
    )


def downgrade() -> None:
    """They can be made again."""
    op.drop_table("summary")
