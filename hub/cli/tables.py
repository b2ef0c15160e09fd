"""What verbs list, as a table that fits the terminal, and the times in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def time_text(seconds: float) -> str:
    """A time since the epoch for people: `2026-01-31 12:00:00 UTC`."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """One row per entry; nothing in a cell is taken for markup. The first column is never broken.

    Piped output is not cut to 80 columns.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(head, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) if isinstance(cell, str) else cell for cell in row])
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)
