"""What is written once of an item, in a table of its own, where it stays when the item is expunged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

COLUMNS = ("head_size", "internal_date", "message_id", "blob", "lines", "saved_at")


def upgrade() -> None:
    """Move it; to rewrite the rows of the other tables is done once for each."""
    op.create_table(
        "message",
        sa.Column("id", KEY, primary_key=True, autoincrement=False),
        sa.Column("created_modseq", sa.BigInteger, nullable=False),
        sa.Column("head_size", sa.BigInteger, nullable=False),
        sa.Column("internal_date", sa.BigInteger, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("lines", sa.LargeBinary, nullable=False),
        sa.Column("saved_at", sa.BigInteger, nullable=False),
    )
    columns = ", ".join(COLUMNS)
    op.execute(
        f"INSERT INTO message (id, created_modseq, {columns}) "
        f"SELECT id, created_modseq, {columns} FROM item ORDER BY id"
    )
    op.add_column("expunged", sa.Column("item_id", sa.BigInteger, nullable=False, server_default="0"))
    # Before revision 0011 the mailbox was not noted: no collection has the id 0, so that these ids are free.
    op.execute(
        "UPDATE expunged SET item_id ="
        " CASE WHEN collection_id = 0 THEN id ELSE collection_id * 4294967296 + uid END"
    )
    # When it was created was forgotten with the item, and is asked of none that is expunged.
    op.execute(
        f"INSERT INTO message (id, created_modseq, {columns}) "
        f"SELECT item_id, modseq, {columns} FROM expunged ORDER BY item_id"
    )
    op.create_index("message_of_blob", "message", ["blob"])
    op.drop_index("item_of_blob", "item")
    op.drop_index("expunged_of_blob", "expunged")
    op.drop_index("expunged_of_collection", "expunged")
    with op.batch_alter_table("item") as item:
        for column in ("created_modseq", *COLUMNS):
            item.drop_column(column)
    with op.batch_alter_table("expunged", table_kwargs={"sqlite_autoincrement": True}) as expunged:
        for column in ("collection_id", "uid", *COLUMNS):
            expunged.drop_column(column)
        expunged.alter_column("item_id", server_default=None)
        expunged.alter_column("elsewhere", server_default=None)
    op.create_index("expunged_of_item", "expunged", ["item_id"])


def downgrade() -> None:
    """Move it back."""
    op.drop_index("expunged_of_item", "expunged")
    for table in ("item", "expunged"):
        for column in ("head_size", "internal_date", "saved_at"):
            op.add_column(table, sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))
        for column in ("message_id", "blob"):
            op.add_column(table, sa.Column(column, TEXT, nullable=False, server_default=""))
        op.add_column(table, sa.Column("lines", sa.LargeBinary, nullable=False, server_default=""))
    op.add_column("item", sa.Column("created_modseq", sa.BigInteger, nullable=False, server_default="0"))
    for column in ("collection_id", "uid"):
        op.add_column("expunged", sa.Column(column, sa.BigInteger, nullable=False, server_default="0"))
    columns = ", ".join(COLUMNS)
    op.execute(
        f"UPDATE item SET (created_modseq, {columns}) ="
        f" (SELECT created_modseq, {columns} FROM message WHERE message.id = item.id)"
    )
    op.execute(
        "UPDATE expunged SET collection_id = item_id >> 32, uid = item_id & 4294967295,"
        f" ({columns}) = (SELECT {columns} FROM message WHERE message.id = expunged.item_id)"
    )
    op.drop_column("expunged", "item_id")
    op.drop_table("message")
    op.create_index("item_of_blob", "item", ["blob"])
    op.create_index("expunged_of_blob", "expunged", ["blob"])
    op.create_index("expunged_of_collection", "expunged", ["collection_id", "uid"])
