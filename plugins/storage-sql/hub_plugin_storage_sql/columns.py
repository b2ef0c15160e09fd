"""Columns of many rows, each as one text.

A driver makes an object of every value that it gives, and a tuple of every row: for a large mailbox that
costs several times what the database takes to find them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Generic, TypeVar

import orjson
from sqlalchemy import BigInteger, Select, Text, bindparam, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from hub_plugin_storage_sql.database import Reads, Row, Statement
from hub_plugin_storage_sql.ranges import Range
from hub_plugin_storage_sql.schema import ITEM, UID_BITS

F = TypeVar("F")

_BETWEEN: Final[ColumnElement[str]] = literal_column("'\n'")  # is in no flag


class _Joined(FunctionElement[str]):
    """All values of a column of texts with a separator between them."""

    type = Text()
    inherit_cache = True


class _Listed(FunctionElement[str]):
    """All values of a column of numbers as JSON, which SQLite makes in two thirds of the time."""

    type = Text()
    inherit_cache = True


_NAMES: Final = {
    (_Joined, "sqlite"): "group_concat",
    (_Joined, "postgresql"): "string_agg",
    (_Listed, "sqlite"): "json_group_array",
    (_Listed, "postgresql"): "json_agg",
}
"""Each database has a name of its own for them."""


@compiles(_Joined)
@compiles(_Listed)
def _compiled(element: _Joined | _Listed, compiler: SQLCompiler, **kwargs: Any) -> str:
    name = _NAMES[type(element), compiler.dialect.name]
    return f"{name}({compiler.process(element.clauses, **kwargs)})"


def _joined(*columns: ColumnElement[Any]) -> Select[Any]:
    """One row with the texts of the columns of items; that of flags is null if there is none."""
    texts: list[ColumnElement[Any]] = [
        _Joined(column, _BETWEEN) if isinstance(column.type, Text) else _Listed(column) for column in columns
    ]
    query: Select[Any] = select(*texts)
    return query.where(ITEM.c.id.between(bindparam("low"), bindparam("high")))


_UID: Final = ITEM.c.id - bindparam("base", type_=BigInteger)
STATES: Final = _joined(_UID, ITEM.c.flags, ITEM.c.modseq)
SIZES: Final = _joined(_UID, ITEM.c.flags, ITEM.c.size)
"""What `columns` reads: both bind the number from which a mailbox's ids count, the lowest and highest id."""


@dataclass(frozen=True, slots=True)
class Columns(Generic[F]):
    """Items by UID, as columns in step. figures: their modseqs or their sizes, as they were asked for."""

    uids: array[int]
    flags: list[F]
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
    """The items of those UIDs. statement: of STATES or SIZES, with what is bound more behind the three."""
    base = mailbox << UID_BITS
    found: Columns[str] = Columns(array("I"), [], array("Q"))
    for low, high in ranges:
        row = db.row(statement, base, base + low, base + high, *more)
        if row is not None and row[1] is not None:
            part = _columns(row)
            found.uids.extend(part.uids)
            found.flags.extend(part.flags)
            found.figures.extend(part.figures)
    return found


def _columns(row: Row) -> Columns[str]:
    uids: list[int] = orjson.loads(row[0])
    found = Columns(array("I", uids), row[1].split("\n"), array("Q", orjson.loads(row[2])))
    if uids == sorted(uids):  # as it happens: they come as they were found
        return found
    return found.at(sorted(range(len(found)), key=found.uids.__getitem__))
