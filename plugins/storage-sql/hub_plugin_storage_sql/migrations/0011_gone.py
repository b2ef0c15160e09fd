"""Which mailbox an expunged item was in by its id, and what was moved out of one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """What is there already was in a mailbox that no session has open any more."""
    op.add_column("expunged", sa.Column("collection_id", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("expunged", sa.Column("elsewhere", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("expunged_of_collection", "expunged", ["collection_id", "uid"])


def downgrade() -> None:
    """Forget what was moved."""
    op.execute("DELETE FROM expunged WHERE elsewhere")
    op.drop_index("expunged_of_collection", "expunged")
    op.drop_column("expunged", "elsewhere")
    op.drop_column("expunged", "collection_id")
