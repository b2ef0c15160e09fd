"""What a sender wants to hear about mail that is sent on (RFC 3461)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COLUMNS = ("ret", "envid", "notify", "orcpt")


def upgrade() -> None:
    """A column for each parameter; what waits already came without them."""
    for name in COLUMNS:
        op.add_column("queue", sa.Column(name, TEXT))


def downgrade() -> None:
    """Forget them."""
    for name in reversed(COLUMNS):
        op.drop_column("queue", name)
