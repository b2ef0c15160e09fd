"""Reports and their lines."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "reports_report",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("reporter", sa.String(300), nullable=False),
        sa.Column("identity", sa.String(300), nullable=False),
        sa.Column("domain", sa.String(300), nullable=False),
        sa.Column("begin", sa.BigInteger, nullable=False),
        sa.Column("end", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.String(300), nullable=False),
        sa.Column("authentic", sa.Boolean, nullable=False),
        sa.Column("received", sa.Float, nullable=False),
        sa.UniqueConstraint("kind", "domain", "reporter", "identity"),
    )
    op.create_index("ix_reports_report_end", "reports_report", ["end"])
    op.create_table(
        "reports_line",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("report_id", sa.BigInteger, sa.ForeignKey("reports_report.id"), nullable=False),
        sa.Column("source", sa.String(300), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("passed", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(300), nullable=False),
        sa.Column("detail", sa.String(300), nullable=False),
    )
    op.create_index("ix_reports_line_report_id", "reports_line", ["report_id"])


def downgrade() -> None:
    """Remove both; the mails that brought the reports stay where they are."""
    op.drop_table("reports_line")
    op.drop_table("reports_report")
