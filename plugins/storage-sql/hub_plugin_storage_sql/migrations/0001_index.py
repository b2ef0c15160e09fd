"""The index: tenants, accounts, collections, items, subscriptions, queue, change log, key-value space."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables."""
    _accounts()
    _mail()
    _values()


def downgrade() -> None:
    """Remove them, with everything in them."""
    for table in ("counter", "kv", "log", "queue", "subscription", "item", "collection", "account", "tenant"):
        op.drop_table(table)


def _accounts() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", TEXT, nullable=False, unique=True),
    )
    op.create_table(
        "account",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("tenant_id", KEY, sa.ForeignKey("tenant.id"), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("modseq", sa.BigInteger, nullable=False),
        sa.Column("uidvalidity", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("tenant_id", "key"),
    )
    op.create_table(
        "collection",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("account_id", KEY, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("special_use", TEXT),
        sa.Column("uidvalidity", sa.BigInteger, nullable=False),
        sa.Column("uidnext", sa.BigInteger, nullable=False),
        sa.Column("highest_modseq", sa.BigInteger, nullable=False),
        sa.Column("logged_since", sa.BigInteger, nullable=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("unseen", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "kind", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscription",
        sa.Column("account_id", KEY, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sqlite_with_rowid=False,
    )


def _mail() -> None:
    op.create_table(
        "item",
        sa.Column("id", KEY, primary_key=True, autoincrement=False),
        sa.Column("flags", TEXT, nullable=False),
        sa.Column("modseq", sa.BigInteger, nullable=False),
        sa.Column("created_modseq", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("head_size", sa.BigInteger, nullable=False),
        sa.Column("internal_date", sa.BigInteger, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("lines", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "queue",
        sa.Column("position", KEY, primary_key=True),
        sa.Column("account_id", KEY, sa.ForeignKey("account.id")),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("reverse_local", TEXT),
        sa.Column("reverse_domain", TEXT),
        sa.Column("local", TEXT, nullable=False),
        sa.Column("domain", TEXT, nullable=False),
        sa.Column("blob", TEXT, nullable=False),
        sa.Column("head_size", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    log = op.create_table(
        "log",
        sa.Column("position", KEY, primary_key=True),
        sa.Column("account_id", KEY, sa.ForeignKey("account.id")),
        sa.Column("modseq", sa.BigInteger, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("collection_id", sa.BigInteger),
        sa.Column("name", TEXT),
        sa.Column("first_uid", sa.BigInteger, nullable=False),
        sa.Column("last_uid", sa.BigInteger, nullable=False),
        sa.Column("message_id", TEXT),
    )
    op.create_index(
        "log_of_collection",
        "log",
        ["collection_id", "modseq"],
        sqlite_where=log.c.collection_id.is_not(None),
        postgresql_where=log.c.collection_id.is_not(None),
    )
    op.create_index(
        "log_of_message",
        "log",
        ["message_id"],
        sqlite_where=log.c.message_id.is_not(None),
        postgresql_where=log.c.message_id.is_not(None),
    )


def _values() -> None:
    kv = op.create_table(
        "kv",
        sa.Column("namespace", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("expires", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "kv_expires",
        "kv",
        ["expires"],
        sqlite_where=kv.c.expires.is_not(None),
        postgresql_where=kv.c.expires.is_not(None),
    )
    op.create_table(
        "counter",
        sa.Column("namespace", TEXT, primary_key=True),
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("counter_expires", "counter", ["expires"])
