"""The partial indexes of the tables, which no statement names: for who compares a database with the tables.

A hub that serves leaves them out, for each brings in the dialects of both databases.
"""

from sqlalchemy import Index

from hub_plugin_storage_sql.schema import FREE, KV, LEASED, LOG, METADATA, QUEUE

__all__ = ["METADATA"]

# What is claimed is found by where it begins, however much waits for later or is under way.
Index(
    "queue_due",
    QUEUE.c.state,
    QUEUE.c.priority,
    QUEUE.c.due_at,
    sqlite_where=FREE,
    postgresql_where=FREE,
)
Index("queue_lease_end", QUEUE.c.leased_until, sqlite_where=LEASED, postgresql_where=LEASED)
Index("queue_of_lease", QUEUE.c.lease, sqlite_where=LEASED, postgresql_where=LEASED)

Index(
    "log_of_collection",
    LOG.c.collection_id,
    LOG.c.modseq,
    sqlite_where=LOG.c.collection_id.is_not(None),
    postgresql_where=LOG.c.collection_id.is_not(None),
)
# Ids sort by age, so this grows at its end: what was accepted already is known by it.
Index(
    "log_of_message",
    LOG.c.message_id,
    sqlite_where=LOG.c.message_id.is_not(None),
    postgresql_where=LOG.c.message_id.is_not(None),
)

Index(
    "kv_expires",
    KV.c.expires,
    sqlite_where=KV.c.expires.is_not(None),
    postgresql_where=KV.c.expires.is_not(None),
)
