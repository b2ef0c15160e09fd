"""The store's name, its writers, blobs and their chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "blobs_store",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(8), nullable=False),
    )
    op.create_table(
        "blobs_writer",
        sa.Column("id", sa.String(8), primary_key=True),
        sa.Column("settled", TEXT, nullable=False),
        sa.Column("seen", sa.Float, nullable=False),
    )
    op.create_table(
        "blobs_blob",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("time", sa.Float, nullable=False),
        sa.Column("head_size", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("inline_size", sa.BigInteger, nullable=False),
        sa.Column("head_crc", sa.BigInteger, nullable=False),
        sa.Column("body_crc", sa.BigInteger, nullable=False),
        sa.Column("recovery", sa.LargeBinary, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "blobs_chunk",
        sa.Column("blob", TEXT, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        # Not compressed, which costs more than it gives with mail, so that parts are read without the rest.
        for table in ("blobs_blob", "blobs_chunk"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Remove them, with every message in them."""
    for table in ("chunk", "blob", "writer", "store"):
        op.drop_table(f"blobs_{table}")
