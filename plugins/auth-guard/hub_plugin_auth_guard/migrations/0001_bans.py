"""Failed logins and bans."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "auth_guard_failure",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("username", sa.String(255), nullable=False),
        sa.Column("protocol", sa.String(32), nullable=False),
        sa.Column("mechanism", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
    )
    op.create_index("auth_guard_failure_client", "auth_guard_failure", ["client", "at"])
    op.create_index("auth_guard_failure_at", "auth_guard_failure", ["at"])
    op.create_table(
        "auth_guard_ban",
        sa.Column("network", sa.String(64), primary_key=True),
        sa.Column("since", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    """Remove them: nobody is banned any more."""
    op.drop_table("auth_guard_ban")
    op.drop_table("auth_guard_failure")
