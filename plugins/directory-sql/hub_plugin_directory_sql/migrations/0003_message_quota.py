"""A quota of messages beside that of octets."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nobody has one yet."""
    op.add_column("directory_account", sa.Column("message_quota", sa.BigInteger))


def downgrade() -> None:
    """Octets alone are limited."""
    op.drop_column("directory_account", "message_quota")
