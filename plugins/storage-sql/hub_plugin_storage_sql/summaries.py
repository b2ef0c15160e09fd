"""Summaries of items: read with their rows, written by whoever has made them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import BigInteger, Column, and_, bindparam, delete, insert, literal_column, select

from hub import SUMMARY_VERSION, MessageColumn, Summary, UidRanges
from hub_plugin_storage_sql.database import Reads, Row, Statement, Writes
from hub_plugin_storage_sql.ranges import Range, clipped, runs, within
from hub_plugin_storage_sql.schema import ITEM, MESSAGE, SUMMARY, UID_BITS
from hub_plugin_storage_sql.transaction import Transaction

_b = bindparam

_COLUMNS: Final[Mapping[MessageColumn, Column[Any]]] = MappingProxyType(
    {
        MessageColumn.SIZE: ITEM.c.size,
        MessageColumn.INTERNAL_DATE: MESSAGE.c.internal_date,
        MessageColumn.SAVED_AT: MESSAGE.c.saved_at,
        MessageColumn.MESSAGE_ID: MESSAGE.c.message_id,
        MessageColumn.MODSEQ: ITEM.c.modseq,
        MessageColumn.LINES: MESSAGE.c.lines,
        MessageColumn.HEAD_SIZE: MESSAGE.c.head_size,
        MessageColumn.BLOB: MESSAGE.c.blob,
        **{column: SUMMARY.c[column.value] for column in MessageColumn if column.value in SUMMARY.c},
    }
)
_MADE: Final = and_(
    SUMMARY.c.id == ITEM.c.id,
    within(SUMMARY.c.id),
    SUMMARY.c.version == literal_column(str(SUMMARY_VERSION)),
)
_NAMES: Final = tuple(SUMMARY.c.keys())
_FORGET: Final = Statement(delete(SUMMARY).where(within(SUMMARY.c.id)), "low high")
# Only beside an item: it may have been expunged since it was read.
_KEEP: Final = Statement(
    insert(SUMMARY).from_select(
        _NAMES,
        select(*[_b(f"new_{column.name}", type_=column.type) for column in SUMMARY.c]).where(
            select(literal_column("1")).where(ITEM.c.id == _b("key", type_=BigInteger)).exists()
        ),
    ),
    " ".join([*[f"new_{name}" for name in _NAMES], "key"]),
)


@cache
def _statement(columns: tuple[MessageColumn, ...]) -> Statement:
    """There are as many as there are combinations that clients ask for."""
    wanted = [_COLUMNS[column] for column in columns]
    uid = ITEM.c.id - _b("base", type_=BigInteger)
    query = select(uid, *[column.label(f"c{at}") for at, column in enumerate(wanted)]).select_from(ITEM)
    tables = {column.table for column in wanted}
    if MESSAGE in tables:
        query = query.join(MESSAGE, (MESSAGE.c.id == ITEM.c.id) & within(MESSAGE.c.id))
    if SUMMARY in tables:
        query = query.join(SUMMARY, _MADE, isouter=True)
    return Statement(query.where(within(ITEM.c.id)).order_by(ITEM.c.id), "base low high")


def columns(db: Reads, mailbox: int, uids: UidRanges, wanted: Sequence[MessageColumn]) -> Sequence[Row]:
    """UID and columns of the items of those UIDs."""
    base = mailbox << UID_BITS
    statement = _statement(tuple(wanted))
    ranges = clipped(uids)
    if len(ranges) == 1:
        return db.rows(statement, base, base + ranges[0][0], base + ranges[0][1])
    return [row for first, last in ranges for row in db.rows(statement, base, base + first, base + last)]


def keep(mailbox_id: int, summaries: Mapping[int, Summary]) -> Callable[[Transaction], None]:
    """The work behind `Storage.keep_summaries`."""
    uids = sorted(summaries)

    def work(tx: Transaction) -> None:
        base = tx.mailbox(mailbox_id).base
        tx.flush()
        forget_summaries(tx.connection, [(base + first, base + last) for first, last in runs(uids)])
        tx.connection.many(_KEEP, [_row(base + uid, summaries[uid]) for uid in uids])

    return work


def forget_summaries(db: Writes, keys: Iterable[Range]) -> None:
    """Those of items of these ids, whether there are any."""
    db.many(_FORGET, keys)


def _row(key: int, summary: Summary) -> tuple[object, ...]:
    keys, outline = summary.heading.keys, summary.outline
    return (
        key,
        SUMMARY_VERSION,
        summary.heading.envelope,
        outline and outline.body,
        outline and outline.bodystructure,
        outline and outline.preview,
        keys.subject,
        keys.is_reply,
        keys.sender,
        keys.to,
        keys.cc,
        keys.sender_name,
        keys.to_name,
        keys.sent and keys.sent.seconds,
        keys.sent and keys.sent.day,
        keys.message_id,
        b"\n".join(keys.references),
        summary.heading.fields,
        key,
    )
