"""Texts without diacritics."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """What is there was not folded, and counts as not indexed."""
    op.execute("DELETE FROM search_mailbox")


def downgrade() -> None:
    """Needles are not folded then."""
    op.execute("DELETE FROM search_mailbox")
