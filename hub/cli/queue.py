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
    from hub.cli.tables import show_table

    show_table(
        ("message", "age", "from", "to", "size", "state"),
        [
            (
                row.message_id,
                _age(row.created_at),
                str(row.reverse_path or "<>"),
                str(row.recipient),
                f"{row.size:,}",
                row.state,
            )
            for row in rows
        ],
    )


def _age(since: float) -> str:
    """Hours, minutes and seconds until now."""
    seconds = max(0, int(time.time() - since))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
