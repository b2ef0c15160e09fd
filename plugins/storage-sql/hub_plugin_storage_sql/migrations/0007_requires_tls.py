"""Mail whose sender requires TLS on its whole way (RFC 8689)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """What waits already came without it."""
    op.add_column("queue", sa.Column("requires_tls", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("queue", "requires_tls")
