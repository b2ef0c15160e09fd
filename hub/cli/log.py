"""`hub log`: what a running hub logs."""

from __future__ import annotations

import click

from hub.cli import parameters
from hub.cli.context import Context
from hub.mail.address import Address


@click.group()
def log() -> None:
    """Change what the running hub logs, for a while."""


@log.command("raise")
@click.option("--sender", type=parameters.address, help="Whose mail: the address of MAIL FROM.")
@click.option("--plugin", help="Whose lines: the name of a plugin.")
@click.option(
    "--level", type=click.Choice(("debug", "info", "warning", "error")), default="debug", show_default=True
)
@click.option("--minutes", type=click.FloatRange(0, 1440, min_open=True), default=10.0, show_default=True)
@click.pass_obj
def raise_(context: Context, sender: Address | None, plugin: str | None, level: str, minutes: float) -> None:
    """Log more about one sender or one plugin; it ends by itself.

    At level debug every step of the sender's mail, or of the plugin, is a line of its own.
    """
    if (sender is None) == (plugin is None):
        raise click.UsageError("name either --sender or --plugin")
    who = {"sender": str(sender)} if sender is not None else {"plugin": plugin}
    context.ask("raise-log", level=level, minutes=minutes, **who)
    click.echo(f"{next(iter(who.values()))} is logged from {level} on, for {minutes:g} minutes")
