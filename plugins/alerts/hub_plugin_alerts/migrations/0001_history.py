"""Counts of events and values of metrics, by minute."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "alerts_event",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("event", sa.String(40), primary_key=True),
        sa.Column("labels", sa.String(1000), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("text", sa.String(400), nullable=False),
    )
    op.create_table(
        "alerts_metric",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("metric", sa.String(40), primary_key=True),
        sa.Column("labels", sa.String(1000), primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("text", sa.String(400), nullable=False),
    )


def downgrade() -> None:
    """Remove them, with everything in them."""
    op.drop_table("alerts_metric")
    op.drop_table("alerts_event")
