"""Reports on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.report import Report, header, rows


def show(report: Report, console: Console) -> None:
    """One table, with what a reader has to know below it."""
    table = Table(title=report.title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for index, column in enumerate(header(report)):
        text = index == 0 or column in ("goal", "rounds")
        table.add_column(column, justify="left" if text else "right", no_wrap=text and column != "rounds")
    for row in rows(report):
        colour = "red" if any(cell.endswith(" missed") for cell in row) else None
        table.add_row(*map(escape, row), style=colour)
    console.print()
    console.print(table)
    for note in report.notes:
        console.print(f"  {escape(note)}", highlight=False, soft_wrap=True)


def show_machine(machine: Mapping[str, str], console: Console) -> None:
    """On one line each."""
    for key, value in machine.items():
        console.print(f"{escape(key)}: {escape(value)}", highlight=False, soft_wrap=True)
