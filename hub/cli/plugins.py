"""`hub plugins`: what is loaded, from where, and how it does."""

from __future__ import annotations

import click

from hub.cli.context import Context, show_json
from hub.cli.reload import show_report


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="The plugins as JSON.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """Show the plugins of the running hub: source, version, generation, health, hooks, what is shadowed."""
    if ctx.invoked_subcommand is None:
        _show(ctx.obj, as_json)


def _show(context: Context, as_json: bool) -> None:
    described = context.ask("plugins")
    assert isinstance(described, list)
    if as_json:
        show_json(described)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("plugin", "version", "gen"):
        table.add_column(column, no_wrap=True)
    for column in ("health", "source and hooks"):
        table.add_column(column, overflow="fold")
    for plugin in described:
        health = plugin["health"]
        lines = [
            f"{plugin['kind']} {plugin['source']}",
            *(f"[yellow]shadows {path}[/]" for path in plugin["shadowed"]),
            f"[dim]{', '.join(plugin['drives'] + plugin['hooks'])}[/]",
        ]
        table.add_row(
            plugin["name"],
            plugin["version"],
            str(plugin["generation"]),
            health if health == "ok" else f"[red]{health}[/]",
            "\n".join(lines),
        )
    Console(highlight=False).print(table)


@plugins.command()
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
@click.pass_obj
def rollback(context: Context, as_json: bool) -> None:
    """Go back to the generation that served before this one."""
    show_report(context.ask("rollback"), as_json)
