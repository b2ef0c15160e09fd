"""`hub queue`: the mail that waits to be sent on."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.services.storage import QueueRow


@click.group()
def queue() -> None:
    """Show the mail that waits to be sent on."""


@queue.command("list")
@click.option(
    "--limit", type=click.IntRange(1), default=1000, show_default=True, help="At most that many rows."
)
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON.")
@click.pass_obj
def list_rows(context: Context, limit: int, as_json: bool) -> None:
    """List the queue, the oldest row first; one row per message and recipient."""

    async def read() -> Sequence[QueueRow]:
        async with context.storage() as storage:
            return await storage.queue(limit)

    rows = run(read())
    if as_json:
        show_json(
            [
                {**asdict(row), "recipient": str(row.recipient), "reverse_path": str(row.reverse_path or "")}
                for row in rows
            ]
        )
        return
    if not rows:
        click.echo("The queue is empty.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("message", "age"):
        table.add_column(column, no_wrap=True)
    for column in ("from", "to", "size", "state"):
        table.add_column(column, overflow="fold")
    for row in rows:
        age = max(0, int(time.time() - row.created_at))
        table.add_row(
            row.message_id,
            f"{age // 3600}:{age // 60 % 60:02}:{age % 60:02}",
            str(row.reverse_path or "<>"),
            str(row.recipient),
            f"{row.size:,}",
            row.state,
        )
    Console().print(table)
