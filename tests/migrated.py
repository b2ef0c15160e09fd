"""Migrations are run once: every further empty database of a test process is given the SQL that they ran.

A third of what a hub costs that a test starts in its own process was Alembic working out, again and again,
the same ninety statements. What is given is known by the text of the migrations and the kind of the database;
one that has a revision already, or is taken back, is migrated as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import pytest
from alembic import op
from alembic.script import ScriptDirectory
from sqlalchemy import event

_upgrade = ScriptDirectory._upgrade_revs
_RAN: Final[dict[object, Sequence[tuple[str, Any]]]] = {}
"""Statements with their parameters, by all that they depend on."""


def _upgrade_or_repeat(script: ScriptDirectory, destination: str, found: Any) -> Iterator[Any]:
    """The steps of an upgrade; none, if its statements are known and have been repeated."""
    if found or destination != "heads":
        yield from _upgrade(script, destination, found)
        return
    connection = op.get_bind()
    texts = tuple(path.read_bytes() for path in sorted(Path(script.dir).glob("*.py")))
    key = (connection.dialect.name, op.get_context().version_table, texts)
    if key in _RAN:
        for statement, parameters in _RAN[key]:
            connection.exec_driver_sql(statement, parameters)
        return
    ran: list[tuple[str, Any]] = []

    def record(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            ran.append((statement, parameters or None))

    event.listen(connection, "before_cursor_execute", record)
    try:
        yield from _upgrade(script, destination, found)
    finally:
        event.remove(connection, "before_cursor_execute", record)
    _RAN[key] = list(_blocks(ran)) if connection.dialect.name == "postgresql" else ran


def _blocks(ran: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Neighbours without parameters in one: PostgreSQL is asked once, and not a hundred times."""
    for parameters, group in groupby(ran, key=itemgetter(1)):
        statements = [statement for statement, _ in group]
        if parameters is None:
            each = "; ".join(f"EXECUTE $each${statement}$each$" for statement in statements)
            yield f"DO $all$ BEGIN {each}; END $all$", None
        else:
            yield from ((statement, parameters) for statement in statements)


@pytest.fixture(scope="session", autouse=True)
def _migrated_once() -> Iterator[None]:
    """In every test; processes that tests start migrate for themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptDirectory, "_upgrade_revs", _upgrade_or_repeat)
        yield
