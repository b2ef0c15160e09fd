"""\\Seen as each viewer has it in a mailbox of somebody else; every other flag is the same for all.

For the owner it is in the item's own row, and nothing here is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Select, and_, bindparam, delete, func, insert, select

from hub import AccountRef
from hub_plugin_storage_sql.database import Reads, Statement, Writes
from hub_plugin_storage_sql.flags import SEEN, decoded, encoded
from hub_plugin_storage_sql.ranges import Range, within
from hub_plugin_storage_sql.schema import ACCOUNT, ITEM, SEEN_BY, TENANT

_b = bindparam

_ACCOUNT_ID = Statement(
    select(ACCOUNT.c.id)
    .join(TENANT, TENANT.c.id == ACCOUNT.c.tenant_id)
    .where(TENANT.c.name == _b("tenant"), ACCOUNT.c.key == _b("account_key")),
    "tenant account_key",
)
_VIEWER = _b("viewer", type_=BigInteger)
_WITHIN = within(SEEN_BY.c.item_id)
_SEE = Statement(
    insert(SEEN_BY).from_select(
        ["item_id", "account_id"],
        select(ITEM.c.id, _VIEWER).where(within(ITEM.c.id)),
    ),
    "viewer low high",
)
_UNSEE = Statement(delete(SEEN_BY).where(_WITHIN, SEEN_BY.c.account_id == _b("viewer")), "low high viewer")
_ANY = Statement(select(SEEN_BY.c.item_id).where(_WITHIN).limit(1), "low high")
_FORGET = Statement(delete(SEEN_BY).where(_WITHIN), "low high")
_COUNT = Statement(
    select(func.count()).where(_WITHIN, SEEN_BY.c.account_id == _b("viewer")), "low high viewer"
)


def with_seen(query: Select[Any]) -> Select[Any]:
    """The query over items with one column more at its end: not null if `viewer` has seen the item."""
    is_seen = and_(SEEN_BY.c.item_id == ITEM.c.id, SEEN_BY.c.account_id == _b("viewer"))
    return query.add_columns(SEEN_BY.c.item_id).outerjoin(SEEN_BY, is_seen)


def account_id(db: Reads, ref: AccountRef) -> int | None:
    """The id of an account, which never changes; not locked."""
    row = db.row(_ACCOUNT_ID, ref.tenant, ref.key)
    return None if row is None else row[0]


def viewer_id(db: Reads, viewer: AccountRef | None, owner: int) -> int | None:
    """The id of who looks at something of that owner's; None for the owner himself.

    0 for who was never here, and has seen nothing.
    """
    if viewer is None:
        return None
    found = account_id(db, viewer) or 0
    return None if found == owner else found


def viewed(text: str, has_seen: bool) -> frozenset[str]:
    """The flags of an owner's item as another sees them."""
    flags = decoded(text)
    if has_seen == (SEEN in flags):
        return flags
    return decoded(encoded(flags | {SEEN} if has_seen else flags - {SEEN}))


def unseen_by(db: Reads, viewer: int, keys: Range, messages: int) -> int:
    """How many of so many messages with ids in that range the viewer has not seen."""
    row = db.row(_COUNT, *keys, viewer)
    return messages - (row[0] if row else 0)


def see(db: Writes, viewer: int, keys: Iterable[Range]) -> None:
    """Items of those ids, none of which the viewer had seen."""
    db.many(_SEE, [(viewer, low, high) for low, high in keys])


def unsee(db: Writes, viewer: int, keys: Iterable[Range]) -> None:
    """Items of those ids are new to the viewer again."""
    db.many(_UNSEE, [(low, high, viewer) for low, high in keys])


def forget_seen(db: Writes, keys: Sequence[Range]) -> None:
    """Items of those ids, ascending, are gone, for all; that anybody else has seen one is rare."""
    if keys and db.row(_ANY, keys[0][0], keys[-1][1]) is not None:
        db.many(_FORGET, keys)
