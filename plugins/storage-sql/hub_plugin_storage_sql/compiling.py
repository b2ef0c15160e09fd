"""Statements as the text that a driver of a database takes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import TypeAlias

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler

from hub_plugin_storage_sql.database import Compiled, Statement

Values: TypeAlias = Sequence[object]


class Compiler:
    """The SQL text of each statement, made at its first use; shared by all connections."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._name = dialect.name

    def __call__(self, statement: Statement) -> Compiled:
        """The text, and what puts the values into the order of its marks if they are not in it."""
        known = statement.compiled.get(self._name)
        if known is None:
            known = statement.compiled[self._name] = self._compile(statement)
        return known

    def _compile(self, statement: Statement) -> Compiled:
        compiled = statement.core.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        marks = compiled.positiontup or []
        if tuple(marks) == statement.names:
            return compiled.string, None
        # A literal in the statement is a mark too; its value follows those that the caller gives.
        literals = [name for name in compiled.params if name not in statement.names]
        names = [*statement.names, *literals]
        constants = tuple(compiled.params[name] for name in literals)
        places = [names.index(name) for name in marks]
        pick = itemgetter(*places) if len(places) > 1 else lambda values: (values[places[0]],)
        return compiled.string, lambda values: pick((*values, *constants))
