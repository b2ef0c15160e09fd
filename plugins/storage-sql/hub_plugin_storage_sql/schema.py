"""The tables of the index; `indexes` adds the partial ones. The migrations make them; a test holds both to
each other.

Every row is reached through a tenant: tenant → account → collection → item. No table refers to another
plugin's.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)

REVISION: Final = "0013"
"""The head of this plugin's migrations, known without Alembic."""

METADATA: Final = MetaData()

# In SQLite only a column of exactly this type is the table's own key, and 64 bits wide.
_Key = BigInteger().with_variant(Integer, "sqlite")
# Compared and sorted by its octets everywhere, whatever the database's own language is.
_Text = Text().with_variant(Text(collation="C"), "postgresql")

TENANT: Final = Table(
    "tenant",
    METADATA,
    Column("id", _Key, primary_key=True),
    Column("name", _Text, nullable=False, unique=True),
)

# modseq: of the account's last change. uidvalidity: the highest given to any of its collections so far.
ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("id", _Key, primary_key=True),
    Column("tenant_id", ForeignKey("tenant.id"), nullable=False),
    Column("key", _Text, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    UniqueConstraint("tenant_id", "key"),
)

# logged_since: the log has every change of the collection above this modseq. An id is never given twice.
COLLECTION: Final = Table(
    "collection",
    METADATA,
    Column("id", _Key, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("kind", _Text, nullable=False),
    Column("name", _Text, nullable=False),
    Column("special_use", _Text),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False),
    Column("highest_modseq", BigInteger, nullable=False),
    Column("logged_since", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("unseen", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    UniqueConstraint("account_id", "kind", "name"),
    sqlite_autoincrement=True,
)

UID_BITS: Final = 32  # RFC 3501 §2.3.1.1

# What changes of an item, and what is added up; narrow, so that to flag or to remove many writes little.
# id: the collection's id and, in the low 32 bits, the UID, so that a collection's items lie side by side, in
# the order of their UIDs, without a second index. Neither is ever given twice. flags: the owner's, sorted,
# with a space between. size: with the message's `lines`.
ITEM: Final = Table(
    "item",
    METADATA,
    Column("id", _Key, primary_key=True, autoincrement=False),
    Column("flags", _Text, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
)

# What is written once, with the item of that id. It stays where it is when that is expunged, until it can no
# longer be had back. saved_at: when it came into this collection.
MESSAGE: Final = Table(
    "message",
    METADATA,
    Column("id", _Key, primary_key=True, autoincrement=False),
    Column("created_modseq", BigInteger, nullable=False),
    Column("head_size", BigInteger, nullable=False),
    Column("internal_date", BigInteger, nullable=False),
    Column("message_id", _Text, nullable=False),
    Column("blob", _Text, nullable=False),
    Column("lines", LargeBinary, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
)
# References sort by age, so these grow at their end: who refers to a blob decides whether it is garbage.
Index("message_of_blob", MESSAGE.c.blob)
COPIED: Final = tuple(
    column for column in MESSAGE.c if column.name not in ("id", "created_modseq", "saved_at")
)
"""What a copy of a message has in common with it."""

# id: the item's; made after it, and anew when there is more to know. version: of how it was made. Null
# is what was not made yet, or is too long to be kept; of Date, what is not readable.
SUMMARY: Final = Table(
    "summary",
    METADATA,
    Column("id", _Key, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("envelope", LargeBinary),
    Column("body", LargeBinary),
    Column("bodystructure", LargeBinary),
    Column("preview", LargeBinary),
    Column("subject", LargeBinary, nullable=False),
    Column("is_reply", Boolean, nullable=False),
    Column("sender", LargeBinary, nullable=False),
    Column("to", LargeBinary, nullable=False),
    Column("cc", LargeBinary, nullable=False),
    Column("sender_name", LargeBinary, nullable=False),
    Column("to_name", LargeBinary, nullable=False),
    Column("sent", BigInteger),
    Column("sent_day", BigInteger),
    Column("header_id", LargeBinary, nullable=False),
    Column("references", LargeBinary, nullable=False),
    Column("fields", LargeBinary),
)

# key: made of an id that messages have or refer to. is_message: one has it. thread: the first key of some
# message of the thread.
THREAD: Final = Table(
    "thread",
    METADATA,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("thread", BigInteger, nullable=False),
    Column("is_message", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
Index("thread_of_account", THREAD.c.account_id, THREAD.c.thread)

# What others than the owner have seen: \Seen is each viewer's own in a mailbox of somebody else. By item, so
# that it is gone with that; few items are looked at by many.
SEEN_BY: Final = Table(
    "seen",
    METADATA,
    Column("item_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    sqlite_with_rowid=False,
)

# Items that can be had back, beside their messages; id rises with `at`, in seconds since the epoch. item_id:
# what it was, and so which mailbox it was in, whose name was `name`. elsewhere: what was moved, or had back,
# is not missed by anybody, and kept only for sessions that have it in their view still.
EXPUNGED: Final = Table(
    "expunged",
    METADATA,
    Column("id", _Key, primary_key=True),
    Column("account_id", ForeignKey("account.id"), nullable=False),
    Column("item_id", BigInteger, nullable=False),
    Column("name", _Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("flags", _Text, nullable=False),
    Column("modseq", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("elsewhere", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
Index("expunged_of_item", EXPUNGED.c.item_id)
Index("expunged_of_account", EXPUNGED.c.account_id, EXPUNGED.c.id)

# rights: letters of RFC 4314 §2.1. identifier: with `-` before it for what is taken away.
GRANT: Final = Table(
    "mailbox_right",
    METADATA,
    Column("collection_id", ForeignKey("collection.id"), primary_key=True),
    Column("identifier", _Text, primary_key=True),
    Column("rights", _Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("mailbox_right_of_identifier", GRANT.c.identifier)

# collection_id: 0 for an account's own. account_id: whose it is, 0 for what all see.
ANNOTATION: Final = Table(
    "annotation",
    METADATA,
    Column("collection_id", BigInteger, primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", _Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

SUBSCRIPTION: Final = Table(
    "subscription",
    METADATA,
    Column("account_id", ForeignKey("account.id"), primary_key=True),
    Column("name", _Text, primary_key=True),
    sqlite_with_rowid=False,
)

# account_id: of who submitted it. ret to orcpt: RFC 3461, without xtext; notify: with commas between. lease,
# leased_until: of who is sending it, 0 for nobody.
QUEUE: Final = Table(
    "queue",
    METADATA,
    Column("position", _Key, primary_key=True),
    Column("account_id", ForeignKey("account.id")),
    Column("message_id", _Text, nullable=False),
    Column("reverse_local", _Text),
    Column("reverse_domain", _Text),
    Column("local", _Text, nullable=False),
    Column("domain", _Text, nullable=False),
    Column("blob", _Text, nullable=False),
    Column("head_size", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", _Text, nullable=False),
    Column("ret", _Text),
    Column("envid", _Text),
    Column("notify", _Text),
    Column("orcpt", _Text),
    Column("attempts", BigInteger, nullable=False, server_default="0"),
    Column("due_at", Float, nullable=False, server_default="0"),
    Column("lease", BigInteger, nullable=False, server_default="0"),
    Column("leased_until", Float, nullable=False, server_default="0"),
    Column("reply", _Text, nullable=False, server_default=""),
    Column("priority", BigInteger, nullable=False, server_default="0"),
    Column("requires_tls", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
Index("queue_of_blob", QUEUE.c.blob)
Index("queue_of_message", QUEUE.c.message_id)
# Literals, for a partial index serves only those questions in which its condition can be read.
FREE: Final = QUEUE.c.lease == literal_column("0")
LEASED: Final = QUEUE.c.lease > literal_column("0")

# name: the collection's at that moment. The newest row is never removed, so that positions only rise.
LOG: Final = Table(
    "log",
    METADATA,
    Column("position", _Key, primary_key=True),
    Column("account_id", ForeignKey("account.id")),
    Column("modseq", BigInteger, nullable=False),
    Column("kind", _Text, nullable=False),
    Column("collection_id", BigInteger),
    Column("name", _Text),
    Column("first_uid", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    Column("message_id", _Text),
)

# expires: seconds since the epoch.
KV: Final = Table(
    "kv",
    METADATA,
    Column("namespace", _Text, primary_key=True),
    Column("key", _Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("expires", Float),
    sqlite_with_rowid=False,
)

# expires: the end of the window that the row stands for; it is a counter's newest.
COUNTER: Final = Table(
    "counter",
    METADATA,
    Column("namespace", _Text, primary_key=True),
    Column("key", _Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("expires", Float, nullable=False),
    sqlite_with_rowid=False,
)
Index("counter_expires", COUNTER.c.expires)
