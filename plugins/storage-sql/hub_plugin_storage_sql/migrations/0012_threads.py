"""Threads: the keys of messages, each with the thread that it is in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """None is known yet."""
    op.create_table(
        "thread",
        sa.Column("account_id", KEY, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("thread", sa.BigInteger, nullable=False),
        sa.Column("is_message", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("thread_of_account", "thread", ["account_id", "thread"])


def downgrade() -> None:
    """They can be made again."""
    op.drop_table("thread")
