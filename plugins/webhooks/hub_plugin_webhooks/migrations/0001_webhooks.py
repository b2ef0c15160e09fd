"""The events that wait for endpoints, and those that were given up."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "webhooks_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("event", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("lane", sa.String(600), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("traceparent", sa.String(64), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("dead", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due", sa.Float, nullable=False),
        sa.Column("holds", sa.Float, nullable=False),
        sa.Column("answer", sa.String(500), nullable=False),
        sa.UniqueConstraint("endpoint", "event"),
    )
    op.create_index("webhooks_due", "webhooks_event", ["endpoint", "dead", "due"])


def downgrade() -> None:
    """Remove it, with what was not sent yet."""
    op.drop_table("webhooks_event")
