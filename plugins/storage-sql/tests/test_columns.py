"""Columns of items: in order, in step, and cut where something is left out."""

from __future__ import annotations

from array import array
from typing import cast

import pytest
from hub_plugin_storage_sql.columns import STATES, Columns, columns, pieces
from hub_plugin_storage_sql.database import Reads, Row, Statement

STATEMENT = Statement(STATES, "base low high")


class Found:
    """A database that finds these rows, one for each range that is asked for."""

    def __init__(self, *rows: Row) -> None:
        self._rows = list(rows)

    def row(self, statement: Statement, *values: object) -> Row | None:
        return self._rows.pop(0)


def of(uids: list[int], flags: list[str], figures: list[int]) -> Columns[str]:
    return Columns(array("I", uids), flags, array("Q", figures))


def test_what_is_found_in_any_order_is_put_into_that_of_the_uids() -> None:
    db = cast(Reads, Found(("3,1,2", "c\n\nb,b", "30,10,20"), (None, None, None), ("900", "", "90")))
    found = columns(db, STATEMENT, 1, [(1, 3), (500, 600), (900, 900)])
    assert found == of([1, 2, 3, 900], ["", "b,b", "c", ""], [10, 20, 30, 90])


def test_ranges_close_together_are_read_at_once_and_told_apart() -> None:
    db = cast(Reads, Found(("1,2,3,4,6", "a\nb\nc\nd\ne", "10,20,30,40,60"), (None, None, None)))
    found = list(pieces(db, STATEMENT, 1, [(1, 1), (3, 3), (4, 4), (5, 5), (8, 9), (9000, 9001)]))
    assert found == [of([1], ["a"], [10]), of([3, 4], ["c", "d"], [30, 40])]


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (None, [[1, 2, 3, 4, 5]]),
        (9, [[1, 2, 3, 4, 5]]),
        (6, [[1, 2], [4, 5]]),
        (4, [[5]]),
        (0, []),
    ],
)
def test_pieces_end_where_an_item_is_left_out(most: int | None, expected: list[list[int]]) -> None:
    whole = of([1, 2, 3, 4, 5], ["", "a", "b", "c", ""], [5, 6, 9, 6, 4])
    assert [list(part.uids) for part in whole.until(most)] == expected
    assert [len(part.flags) for part in whole.until(most)] == [len(uids) for uids in expected]
