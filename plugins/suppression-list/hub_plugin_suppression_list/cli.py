"""`hub suppression`: which addresses get no mail, on a hub that runs or not."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import click
from pydantic import TypeAdapter, ValidationError

from hub import Address, CommandContext, Duration, show_table
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
            (each.address, _moment(each.since), _until(each).removeprefix("until "), each.reason)
            for each in found
        ]
        show_table(("address", "since", "until", "why"), rows)


@suppression.command()
@click.argument("address")
@click.option("--for", "duration", help="How long, like 2h or 30d; without it until it is removed.")
@click.option("--reason", default="by hand", show_default=True, help="Why; senders are told.")
@click.pass_obj
def add(context: CommandContext, address: str, duration: str | None, reason: str) -> None:
    """Send no mail to ADDRESS."""

    async def work() -> Entry:
        async with context.open_plugin(NAME) as plugin:
            recipient, now = Address.parse(address), plugin.clock.time()
            if is_exempt(plugin.settings(Settings), recipient):
                raise ValueError(f"{recipient} is exempt: a postmaster, or plugins.suppression-list.exempt")
            until = None if duration is None else now + _seconds(duration)
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


def _seconds(text: str) -> float:
    try:
        seconds: float = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise ValueError(f"--for {text}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    if seconds <= 0:
        raise ValueError("--for: it lasts some time")
    return seconds


def _until(entry: Entry) -> str:
    return "until it is removed" if entry.until is None else f"until {_moment(entry.until)}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
