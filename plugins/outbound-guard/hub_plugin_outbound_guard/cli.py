"""`hub outbound`: which accounts are held and why, on a hub that runs or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from hub import CommandContext, show_table, time_text
from hub_plugin_outbound_guard.held import Held, all_held
from hub_plugin_outbound_guard.held import release as release_held

NAME = "outbound-guard"


@click.group()
def outbound() -> None:
    """Show accounts that send as if somebody else had their password, and release them."""


@outbound.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_held(context: CommandContext, as_json: bool) -> None:
    """List the accounts that were alarmed, the newest first."""

    async def read() -> Sequence[Held]:
        async with context.open_plugin(NAME) as plugin:
            return await all_held(plugin)

    found = context.run(read())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("No account is held.")
    else:
        rows = [
            (each.name, time_text(each.since), time_text(each.since + each.seconds), each.text)
            for each in found
        ]
        show_table(("account", "since", "until", "because"), rows)


@outbound.command()
@click.argument("account")
@click.pass_obj
def release(context: CommandContext, account: str) -> None:
    """Let ACCOUNT, by the name that it logs in by, send elsewhere again. Change its password first."""

    async def work() -> Held:
        async with context.open_plugin(NAME) as plugin:
            return await release_held(plugin, account)

    click.echo(f"{context.run(work()).name} may send again.")
