"""Columns of many rows, each as one text.

A driver makes an object of every value that it gives, and a tuple of every row: for a large mailbox that
costs several times what the database takes to find them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

import orjson
from sqlalchemy import BigInteger, Select, Text, bindparam, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.ranges import GAP, Range, merged, within
from hub_plugin_storage_sql.schema import ITEM, UID_BITS

F = TypeVar("F")


class _Joined(FunctionElement[str]):
    """All values of a column as one text, numbers with a comma between them, texts with a line feed.

    That is in no flag. Each database has a name of its own for it.
    """

    type = Text()
    inherit_cache = True


@compiles(_Joined, "sqlite")
def _group_concat(element: _Joined, compiler: SQLCompiler, **kwargs: Any) -> str:
    (column,) = element.clauses
    separator = ", '\n'" if isinstance(column.type, Text) else ""  # its own is a comma, and quicker
    return f"group_concat({compiler.process(column, **kwargs)}{separator})"


@compiles(_Joined, "postgresql")
def _string_agg(element: _Joined, compiler: SQLCompiler, **kwargs: Any) -> str:
    (column,) = element.clauses
    separator = "'\n'" if isinstance(column.type, Text) else "','"
    return f"string_agg({compiler.process(cast(column, Text), **kwargs)}, {separator})"


def _joined(*columns: ColumnElement[Any]) -> Select[Any]:
    """One row with the texts of the columns of items, all nulls if there is none."""
    texts: list[ColumnElement[Any]] = [_Joined(column) for column in columns]
    query: Select[Any] = select(*texts)
    return query.where(within(ITEM.c.id))


_UID: Final = ITEM.c.id - bindparam("base", type_=BigInteger)
STATES: Final = _joined(_UID, ITEM.c.flags, ITEM.c.modseq)
SIZES: Final = _joined(_UID, ITEM.c.flags, ITEM.c.size)
"""What `columns` reads: both bind the number from which a mailbox's ids count, the lowest and highest id."""


@dataclass(frozen=True, slots=True)
class Columns(Generic[F]):
    """Items by UID, as columns in step. figures: their modseqs or their sizes, as they were asked for."""

    uids: array[int]
    flags: Sequence[F]
    figures: array[int]

    def __len__(self) -> int:
        return len(self.uids)

    def at(self, places: Sequence[int]) -> Columns[F]:
        """Those at these places."""
        uids, flags, figures = self.uids, self.flags, self.figures
        return Columns(
            array("I", [uids[at] for at in places]),
            [flags[at] for at in places],
            array("Q", [figures[at] for at in places]),
        )

    def within(self, first: int, last: int) -> Columns[F]:
        """Those with UIDs from the first to the last."""
        start, end = bisect_left(self.uids, first), bisect_right(self.uids, last)
        if end - start == len(self):
            return self
        return Columns(self.uids[start:end], self.flags[start:end], self.figures[start:end])

    def until(self, most: int | None) -> Iterator[Columns[F]]:
        """Those whose figure is not above that, in pieces: neighbours with no other item between them."""
        if most is None or not self or max(self.figures) <= most:
            yield self
            return
        at = 0
        for may_stay, group in groupby(self.figures, key=most.__ge__):
            end = at + len(list(group))
            if may_stay:
                yield Columns(self.uids[at:end], self.flags[at:end], self.figures[at:end])
            at = end


def columns(
    db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int
) -> Columns[str]:
    """The items of those UIDs, as `pieces` in one."""
    uids, figures = array("I"), array("Q")
    flags: list[str] = []
    for part in pieces(db, statement, mailbox, ranges, *more):
        uids.extend(part.uids)
        flags.extend(part.flags)
        figures.extend(part.figures)
    return Columns(uids, flags, figures)


def pieces(
    db: Reads, statement: Statement, mailbox: int, ranges: Sequence[Range], *more: int
) -> Iterator[Columns[str]]:
    """The items of each of those ranges of UIDs that has any; no others lie between those of one.

    statement: of STATES or SIZES, with what is bound more behind the three.
    """
    base = mailbox << UID_BITS
    wanted = iter(merged(ranges))
    for low, high in merged(ranges, GAP):
        row = db.row(statement, base, base + low, base + high, *more)
        found = None if row is None or row[0] is None else _columns(row)
        for first, last in wanted:
            if found is not None:
                part = found.within(first, last)
                if part:
                    yield part
            if last == high:
                break


def _columns(row: Row) -> Columns[str]:
    uids = _numbers(row[0])
    found = Columns(array("I", uids), row[1].split("\n"), array("Q", _numbers(row[2])))
    if uids == sorted(uids):  # as it happens: they come as they were found
        return found
    return found.at(sorted(range(len(found)), key=uids.__getitem__))


def _numbers(text: str) -> list[int]:
    numbers: list[int] = orjson.loads(f"[{text}]")
    return numbers
