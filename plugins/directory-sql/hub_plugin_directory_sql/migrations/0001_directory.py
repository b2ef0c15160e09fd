"""Tenants, domains, accounts, aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table("directory_tenant", sa.Column("name", sa.String(255), primary_key=True))
    op.create_table(
        "directory_domain",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("tenant", sa.String(255), sa.ForeignKey("directory_tenant.name"), nullable=False),
    )
    op.create_table(
        "directory_account",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(32), nullable=False, unique=True),
        sa.Column("domain", sa.String(255), sa.ForeignKey("directory_domain.id"), nullable=False),
        sa.Column("local_id", sa.String(255), nullable=False),
        sa.Column("local", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("quota", sa.BigInteger),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.String(512)),
        sa.Column("scram_salt", sa.LargeBinary),
        sa.Column("scram_iterations", sa.Integer),
        sa.Column("scram_stored_key", sa.LargeBinary),
        sa.Column("scram_server_key", sa.LargeBinary),
        sa.UniqueConstraint("domain", "local_id"),
    )
    op.create_table(
        "directory_alias",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("domain", sa.String(255), sa.ForeignKey("directory_domain.id"), nullable=False),
        sa.Column("local_id", sa.String(255), nullable=False),
        sa.Column("local", sa.String(255), nullable=False),
        sa.UniqueConstraint("domain", "local_id"),
    )
    op.create_table(
        "directory_alias_target",
        sa.Column("alias", sa.Integer, sa.ForeignKey("directory_alias.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("local", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
    )


def downgrade() -> None:
    """Remove them, with everything in them."""
    for table in ("alias_target", "alias", "account", "domain", "tenant"):
        op.drop_table(f"directory_{table}")
