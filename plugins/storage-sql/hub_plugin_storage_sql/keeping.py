"""Rows of items that are expunged or moved away, put where they can be had back from, or read still."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, Float, Text, bindparam, insert, select

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
        ["account_id", "collection_id", "elsewhere", "name", "at", "uid", *KEPT],
        select(
            _b("account", type_=BigInteger),
            _b("mailbox", type_=BigInteger),
            _b("moved", type_=Boolean),
            _b("mailbox_name", type_=Text),
            _b("moment", type_=Float),
            ITEM.c.id - _b("base", type_=BigInteger),
            *(ITEM.c[name] for name in KEPT),
        )
        .where(ITEM.c.id.between(_b("low"), _b("high")))
        .order_by(ITEM.c.id),
    ),
    "account mailbox moved mailbox_name moment base low high",
)


def keep(tx: Transaction, mailbox: MailboxRow, keys: Sequence[Range], *, elsewhere: bool = False) -> None:
    """Note down items with ids in those ranges, all of them the mailbox's, before they are removed.

    elsewhere: they are only moved.
    """
    noted = (mailbox.account_id, mailbox.id, elsewhere, mailbox.name, tx.now, mailbox.base)
    tx.connection.many(_KEEP, [(*noted, low, high) for low, high in keys])
