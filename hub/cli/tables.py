"""What verbs list, as a table that fits the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """One row per entry; nothing in a cell is taken for markup. Piped output is not cut to 80 columns."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=SIMPLE, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)
