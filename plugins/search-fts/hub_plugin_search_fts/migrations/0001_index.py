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
        # The extension may be in a schema of its own, or another's, that is not looked in by itself.
        where = (
            op.get_bind()
            .execute(
                sa.text(
                    "SELECT quote_ident(nspname) FROM pg_extension"
                    " JOIN pg_namespace n ON n.oid = extnamespace"
                    " WHERE extname = 'pg_trgm'"
                )
            )
            .scalar_one()
        )
        op.execute(f"CREATE INDEX search_trigram ON search_text USING gin (text {where}.gin_trgm_ops)")
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
