"""Rows of items that are expunged, moved to where they can be had back from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Float, Text, bindparam, insert, select

from hub_plugin_storage_sql.database import Statement
from hub_plugin_storage_sql.ranges import Range
from hub_plugin_storage_sql.schema import EXPUNGED, ITEM
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction

_b = bindparam

KEPT = (
    "flags",
    "modseq",
    "size",
    "head_size",
    "internal_date",
    "message_id",
    "blob",
    "lines",
    "saved_at",
)
"""The columns that an item and what is kept of it have in common."""

_KEEP = Statement(
    insert(EXPUNGED).from_select(
        ["account_id", "name", "at", "uid", *KEPT],
        select(
            _b("account", type_=BigInteger),
            _b("mailbox_name", type_=Text),
            _b("moment", type_=Float),
            ITEM.c.id - _b("base", type_=BigInteger),
            *(ITEM.c[name] for name in KEPT),
        )
        .where(ITEM.c.id.between(_b("low"), _b("high")))
        .order_by(ITEM.c.id),
    ),
    "account mailbox_name moment base low high",
)


def keep(tx: Transaction, mailbox: MailboxRow, keys: Sequence[Range]) -> None:
    """Note down items with ids in those ranges, all of them the mailbox's, before they are removed."""
    tx.connection.many(
        _KEEP,
        [(mailbox.account_id, mailbox.name, tx.now, mailbox.base, low, high) for low, high in keys],
    )
