"""What messages say, and how far each mailbox is indexed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables; trigrams are the database's own."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_text USING fts5("
            "text, detail = none, columnsize = 0, tokenize = 'trigram case_sensitive 1')"
        )
    else:
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute('CREATE TABLE search_text (rowid BIGINT PRIMARY KEY, text TEXT COLLATE "C" NOT NULL)')
        op.execute("CREATE INDEX search_trigram ON search_text USING gin (text gin_trgm_ops)")
    op.create_table("search_untold", sa.Column("id", KEY, primary_key=True, autoincrement=False))
    op.create_table(
        "search_mailbox",
        sa.Column("id", KEY, primary_key=True, autoincrement=False),
        sa.Column("upto", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("search_mailbox", "search_untold", "search_text"):
        op.drop_table(table)
