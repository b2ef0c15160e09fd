"""`hub plugins disable`: have a plugin not run, by the configuration."""

from __future__ import annotations

import click

from hub.cli.context import Context
from hub.cli.plugins.switching import switch


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@click.pass_obj
def disable(context: Context, name: str, as_json: bool) -> None:
    """Take a plugin out of [hub] plugins, and have the running hub drain and unload it.

    One that lies in a plugin folder is listed with '!' before its name. The diff is shown; if the hub
    refuses, it is undone.
    """
    switch(context, name, as_json, on=False)
