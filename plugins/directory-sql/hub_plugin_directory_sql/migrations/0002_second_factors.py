"""App passwords, one-time codes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "directory_app_password",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("account", sa.Integer, sa.ForeignKey("directory_account.id"), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("used", sa.Float),
        sa.UniqueConstraint("account", "name"),
    )
    op.create_table(
        "directory_totp",
        sa.Column("account", sa.Integer, sa.ForeignKey("directory_account.id"), primary_key=True),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove them: app passwords no longer log in, passwords alone do."""
    op.drop_table("directory_totp")
    op.drop_table("directory_app_password")
