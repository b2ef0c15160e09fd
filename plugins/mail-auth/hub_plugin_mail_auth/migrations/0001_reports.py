"""What DMARC's aggregate reports are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mail_auth_report",
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("domain", sa.String(253), nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("header_from", sa.String(253), nullable=False),
        sa.Column("envelope_from", sa.String(253), nullable=False),
        sa.Column("source_ip", sa.String(64), nullable=False),
        sa.Column("disposition", sa.String(16), nullable=False),
        sa.Column("override", sa.String(32), nullable=False),
        sa.Column("dkim_aligned", sa.Boolean, nullable=False),
        sa.Column("spf_aligned", sa.Boolean, nullable=False),
        sa.Column("results", sa.Text, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
    )
    op.create_index("mail_auth_report_domain", "mail_auth_report", ["day", "domain"])


def downgrade() -> None:
    """Remove it; nothing can be reported of the last days."""
    op.drop_table("mail_auth_report")
