"""`hub suppression`: which addresses get no mail, on a hub that runs or not."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import click

from hub import Address, CommandContext, duration, show_table, time_text
from hub_plugin_suppression_list import Settings, is_exempt, records
from hub_plugin_suppression_list.records import Entry

NAME = "suppression-list"


@click.group()
def suppression() -> None:
    """Show and change the addresses to which no mail is sent."""


@suppression.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_entries(context: CommandContext, as_json: bool) -> None:
    """List them, the newest first."""

    async def read() -> Sequence[Entry]:
        async with context.open_plugin(NAME) as plugin:
            return await records.entries(plugin.kv, plugin.clock.time())

    found = context.run(read())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("Mail is sent to all addresses.")
    else:
        rows = [
            (each.address, time_text(each.since), _until(each).removeprefix("until "), each.reason)
            for each in found
        ]
        show_table(("address", "since", "until", "why"), rows)


@suppression.command()
@click.argument("address")
@click.option(
    "--for", "seconds", type=duration, help="How long, like 2h or 30d; without it until it is removed."
)
@click.option("--reason", default="by hand", show_default=True, help="Why; senders are told.")
@click.pass_obj
def add(context: CommandContext, address: str, seconds: float | None, reason: str) -> None:
    """Send no mail to ADDRESS."""

    async def work() -> Entry:
        async with context.open_plugin(NAME) as plugin:
            recipient, now = Address.parse(address), plugin.clock.time()
            if is_exempt(plugin.settings(Settings), recipient):
                raise ValueError(f"{recipient} is exempt: a postmaster, or plugins.suppression-list.exempt")
            if seconds == 0:
                raise ValueError("--for: it lasts some time")
            until = None if seconds is None else now + seconds
            entry = Entry(str(recipient), now, until, reason, by_hand=True)
            await records.suppress(plugin.kv, entry, 0)
            return entry

    entry = context.run(work())
    click.echo(f"No mail is sent to {entry.address} {_until(entry)}.")


@suppression.command()
@click.argument("address")
@click.pass_obj
def remove(context: CommandContext, address: str) -> None:
    """Send mail to ADDRESS again, and forget what it has refused."""

    async def work() -> Address:
        async with context.open_plugin(NAME) as plugin:
            recipient = Address.parse(address)
            if not await records.remove(plugin.kv, recipient, plugin.clock.time()):
                raise LookupError(f"{recipient} is not suppressed; see: hub suppression list")
            return recipient

    click.echo(f"Mail is sent to {context.run(work())} again.")


def _until(entry: Entry) -> str:
    return "until it is removed" if entry.until is None else f"until {time_text(entry.until)}"
