"""Items that are expunged or moved away, noted down so that they can be had back or read still."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Boolean, Float, Text, bindparam, delete, insert, select

from hub_plugin_storage_sql.database import Statement, Writes
from hub_plugin_storage_sql.ranges import Range, within
from hub_plugin_storage_sql.schema import EXPUNGED, ITEM, MESSAGE
from hub_plugin_storage_sql.summaries import forget_summaries
from hub_plugin_storage_sql.transaction import MailboxRow, Transaction

_b = bindparam

_KEEP = Statement(
    insert(EXPUNGED).from_select(
        ["account_id", "elsewhere", "name", "at", "item_id", "flags", "modseq", "size"],
        select(
            _b("account", type_=BigInteger),
            _b("moved", type_=Boolean),
            _b("mailbox_name", type_=Text),
            _b("moment", type_=Float),
            ITEM.c.id,
            ITEM.c.flags,
            ITEM.c.modseq,
            ITEM.c.size,
        )
        .where(within(ITEM.c.id))
        .order_by(ITEM.c.id),
    ),
    "account moved mailbox_name moment low high",
)
_FORGET = Statement(delete(MESSAGE).where(within(MESSAGE.c.id)), "low high")


def keep(tx: Transaction, mailbox: MailboxRow, keys: Sequence[Range], *, elsewhere: bool = False) -> None:
    """Note down items with ids in those ranges, all of them the mailbox's, before they are removed.

    Their messages and summaries stay as they are. elsewhere: they are only moved.
    """
    noted = (mailbox.account_id, elsewhere, mailbox.name, tx.now)
    tx.connection.many(_KEEP, [(*noted, low, high) for low, high in keys])


def forget(db: Writes, keys: Sequence[Range]) -> None:
    """Messages and summaries of items with those ids, which are removed and can be had back no longer."""
    db.many(_FORGET, keys)
    forget_summaries(db, keys)
