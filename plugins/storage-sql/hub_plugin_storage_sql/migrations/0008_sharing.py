"""Who else may see a mailbox and what they have seen, annotations, what can be had back, RFC 8514's date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """What is there already counts as saved when it came to its account."""
    op.add_column("item", sa.Column("saved_at", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE item SET saved_at = internal_date")
    op.create_table(
        "seen",
        sa.Column("item_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account_id", KEY, sa.ForeignKey("account.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    _expunged()
    op.create_table(
        "mailbox_right",
        sa.Column("collection_id", KEY, sa.ForeignKey("collection.id"), primary_key=True),
        sa.Column("identifier", TEXT, primary_key=True),
        sa.Column("rights", TEXT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("mailbox_right_of_identifier", "mailbox_right", ["identifier"])
    op.create_table(
        "annotation",
        sa.Column("collection_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("account_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("entry", TEXT, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Forget it, and what was expunged for good."""
    for table in ("annotation", "mailbox_right", "expunged", "seen"):
        op.drop_table(table)
    op.drop_column("item", "saved_at")


def _expunged() -> None:
    op.create_table(
        "expunged",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("account_id", KEY, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("flags", TEXT, nullable=False),
        sa.Column("modseq", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("head_size", sa.BigInteger, nullable=False),
        sa.Column("internal_date", sa.BigInteger, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("lines", sa.LargeBinary, nullable=False),
        sa.Column("saved_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("expunged_of_account", "expunged", ["account_id", "id"])
    op.create_index("expunged_of_blob", "expunged", ["blob"])
