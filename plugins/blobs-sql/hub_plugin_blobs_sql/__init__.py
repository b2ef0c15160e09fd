"""Message bytes in the tables of the hub's database, for hubs that share one.

A blob is one row with its header block and the first octets of its body; what does not fit follows in rows of
256 KiB, so that a large message never is in memory whole. Its reference is

    <store>-<time>-<writer>-<number and chance>

where `store` is made once for each database, `time` sorts references by their age and `writer` is the process
that put it. Each process tells in a row of its own up to where its blobs have all the rows of the index that
they will ever get; what is below that, or of a process that has not been heard of for an hour, and has no
rows, is garbage.
"""

from hub_plugin_blobs_sql.driver import Settings, SqlBlobs

__all__ = ["Settings", "SqlBlobs"]
