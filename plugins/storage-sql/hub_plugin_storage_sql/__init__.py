"""The index of the store in SQL: accounts, collections, items, flags, queue and the one change log.

    tenant ─► account ─► collection ─► item          what there is
    log                                              what happened to it, store-wide, in order
    queue                                            what is to be sent on
    kv, counter                                      plugins' small shared state

All writes of a process go through one thread in group commits (`sqlite.database`); a piece of work is a
function of a `transaction.Transaction`. Reads by key run on the event loop, scans in threads. Statements are
SQLAlchemy Core; what a database does in its own way stands in the package of its name.
"""

from hub_plugin_storage_sql.backend import Settings
from hub_plugin_storage_sql.driver import SqlStorage

__all__ = ["Settings", "SqlStorage"]
