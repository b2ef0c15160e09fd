"""The tables of the index. Rows of messages are keyed as mailbox and UID in one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy import text as sql

from hub import Occurrences, occurrences

METADATA: Final = MetaData()
_Key = BigInteger().with_variant(Integer, "sqlite")

TEXT: Final = Table(
    "search_text", METADATA, Column("rowid", BigInteger, primary_key=True), Column("text", Text)
)
# Messages of which nothing is known but that they are there: they are always read.
UNTOLD: Final = Table("search_untold", METADATA, Column("id", _Key, primary_key=True))
# upto: every message up to this UID is indexed.
MAILBOX: Final = Table(
    "search_mailbox", METADATA, Column("id", _Key, primary_key=True), Column("upto", BigInteger)
)

UID_BITS: Final = 32
MAX_UID: Final = (1 << UID_BITS) - 1
GRAM: Final = 3
"""Characters in a trigram; a shorter needle has none."""
MOST_GRAMS: Final = 24
"""Of a long needle; each costs a look at its messages, and so many leave hardly one too many."""

COUNTED: Final = 100
"""Messages whose texts are in memory together while their words are counted."""

_FIND_SQLITE: Final = sql(
    "SELECT rowid FROM search_text WHERE search_text MATCH :wanted AND rowid BETWEEN :low AND :high"
)
_FIND_POSTGRES: Final = sql(
    "SELECT rowid FROM search_text WHERE text LIKE :wanted AND rowid BETWEEN :low AND :high"
)


@dataclass(slots=True)
class Part:
    """Messages of one mailbox, by UID, with all that it has behind `since` and up to `upto`.

    A text is None if it cannot be told.
    """

    mailbox: int
    since: int
    upto: int
    texts: dict[int, str | None] = field(default_factory=dict)


def add(db: Connection, parts: Sequence[Part]) -> bool:
    """Index all parts, or none if one of the mailboxes is not indexed just as far as that part begins."""
    done = indexed(db, [part.mailbox for part in parts])
    if any(done.get(part.mailbox, 0) != part.since for part in parts):
        return False
    for part in parts:
        base = part.mailbox << UID_BITS
        # What lies there is of an index that is being made anew.
        for column in (TEXT.c.rowid, UNTOLD.c.id):
            db.execute(delete(column.table).where(column.between(base + part.since + 1, base + part.upto)))
        told = [{"rowid": base + uid, "text": text} for uid, text in part.texts.items() if text is not None]
        untold = [{"id": base + uid} for uid, text in part.texts.items() if text is None]
        if told:
            db.execute(insert(TEXT), told)
        if untold:
            db.execute(insert(UNTOLD), untold)
        forget(db, part.mailbox)
        db.execute(insert(MAILBOX).values(id=part.mailbox, upto=part.upto))
    return True


def remove(db: Connection, mailbox: int, first: int, last: int, limit: int) -> bool:
    """Forget messages with these UIDs, at most so many; whether there may be more."""
    base, gone = mailbox << UID_BITS, 0
    for column in (TEXT.c.rowid, UNTOLD.c.id):
        some = select(column).where(column.between(base + first, base + last)).limit(limit)
        keys = [key for (key,) in db.execute(some)]
        if keys:
            db.execute(delete(column.table).where(column.in_(keys)))
        gone += len(keys)
    return gone >= limit


def forget(db: Connection, mailbox: int) -> None:
    """The mailbox counts as not indexed."""
    db.execute(delete(MAILBOX).where(MAILBOX.c.id == mailbox))


def indexed(db: Connection, mailboxes: Iterable[int]) -> dict[int, int]:
    """How far each of these is indexed; those that are not are left out."""
    rows = db.execute(select(MAILBOX.c.id, MAILBOX.c.upto).where(MAILBOX.c.id.in_(list(mailboxes))))
    return {row.id: row.upto for row in rows}


def find(db: Connection, mailbox: int, needle: str) -> tuple[set[int], int]:
    """UIDs of messages that may hold the needle, which is long enough, and how far the mailbox is indexed."""
    upto = indexed(db, [mailbox]).get(mailbox, 0)
    base = mailbox << UID_BITS
    return {key - base for key in _keys(db, base, needle)} | untold(db, mailbox), upto


def untold(db: Connection, mailbox: int) -> set[int]:
    """UIDs of messages of which nothing is known."""
    base = mailbox << UID_BITS
    rows = db.execute(select(UNTOLD.c.id).where(UNTOLD.c.id.between(base, base + MAX_UID)))
    return {key - base for (key,) in rows}


def count(db: Connection, mailbox: int, words: Sequence[str]) -> dict[int, Occurrences]:
    """How often messages say each of the words, which are long enough; those that say none are left out."""
    base = mailbox << UID_BITS
    found: dict[int, Occurrences] = {}
    keys = sorted({key for word in words for key in _keys(db, base, word)})
    for start in range(0, len(keys), COUNTED):
        some = TEXT.c.rowid.in_(keys[start : start + COUNTED])
        for key, said in db.execute(select(TEXT.c.rowid, TEXT.c.text).where(some)):
            counted = occurrences(said, words)
            if any(counted.counts):
                found[key - base] = counted
    return found


def _keys(db: Connection, base: int, needle: str) -> list[int]:
    """Rows of a mailbox that may hold the needle."""
    span = {"low": base, "high": base + MAX_UID}
    if db.dialect.name == "sqlite":
        rows = db.execute(_FIND_SQLITE, {"wanted": " AND ".join(_grams(needle)), **span})
    else:
        rows = db.execute(_FIND_POSTGRES, {"wanted": f"%{_escaped(needle)}%", **span})
    return [key for (key,) in rows]


def _grams(needle: str) -> list[str]:
    """Quoted, each once."""
    all_of_them = dict.fromkeys(needle[at : at + GRAM] for at in range(len(needle) - GRAM + 1))
    found = list(all_of_them)
    step = -(-len(found) // MOST_GRAMS)
    return ['"' + gram.replace('"', '""') + '"' for gram in found[::step]]


def _escaped(needle: str) -> str:
    return needle.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
