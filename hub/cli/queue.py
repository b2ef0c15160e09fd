"""`hub queue`: the mail that waits to be sent on."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.services.queue import QueueRow

_ALL: Final = 1 << 31


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
        show_json(list(map(_plain, rows)))
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


@queue.command("show")
@click.argument("message_id", metavar="MESSAGE")
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON.")
@click.pass_obj
def show_message(context: Context, message_id: str, as_json: bool) -> None:
    """Show all that the queue knows about one MESSAGE, by the id that its sender was told."""

    from hub.services.queue import Selection

    async def read() -> Sequence[QueueRow]:
        async with context.storage() as storage:
            return await storage.queue(_ALL, selection=Selection(message_id))

    rows = run(read())
    if not rows:
        raise click.ClickException(f"no message {message_id} waits in the queue; see: hub queue list")
    if as_json:
        show_json(list(map(_plain, rows)))
        return
    row = rows[0]
    click.echo(f"message {row.message_id}, {row.size:,} octets in {row.blob}, waiting {_age(row.created_at)}")
    click.echo(f"from {row.reverse_path or '<>'}{f', who calls it {row.envid!r}' if row.envid else ''}")
    if row.ret:
        click.echo(f"a report returns {'all of it' if row.ret == 'FULL' else 'its header'}")
    for row in rows:
        click.echo(f"to {row.recipient}: {row.state}{_wishes(row)}")


def _wishes(row: QueueRow) -> str:
    """What the sender wants to hear about one recipient (RFC 3461)."""
    asked = row.dsn.notify
    said = "" if asked is None else f", report {' and '.join(each.lower() for each in asked)}"
    return said + (f", first written {row.dsn.original}" if row.dsn.original else "")


def _plain(row: QueueRow) -> dict[str, object]:
    return {**asdict(row), "recipient": str(row.recipient), "reverse_path": str(row.reverse_path or "")}


def _age(since: float) -> str:
    """Hours, minutes and seconds until now."""
    seconds = max(0, int(time.time() - since))
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
