"""`hub plugins rollback`: the generation before."""

from __future__ import annotations

import click

from hub.cli.context import Context
from hub.cli.reload import show_report


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def rollback(context: Context, as_json: bool) -> None:
    """Go back to the plugins that served before these, in all workers, until something is saved or reloaded.

    What is on disk stays as it is. A second rollback goes forth again. A new start of the hub loads what is
    on disk.
    """
    show_report(context.ask("rollback"), as_json)
