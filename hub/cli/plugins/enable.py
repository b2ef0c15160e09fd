"""`hub plugins enable`: have a plugin run, by the configuration."""

from __future__ import annotations

import click

from hub.cli.context import Context
from hub.cli.plugins.switching import switch


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@click.pass_obj
def enable(context: Context, name: str, as_json: bool) -> None:
    """Write a plugin into [hub] plugins, behind those that are there, and have the running hub take it up.

    The rest of the file stays as it is, comments too; the diff is shown. If the hub refuses, it is undone.
    """
    switch(context, name, as_json, on=True)
