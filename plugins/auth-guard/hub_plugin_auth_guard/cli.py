"""`hub auth`: who is banned and why, on a hub that runs or not; all its workers know it within a second."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial

import click

from hub import CommandContext, Networks, Plugin, Tables, duration, show_table, time_text
from hub_plugin_auth_guard import records
from hub_plugin_auth_guard.guard import Settings
from hub_plugin_auth_guard.records import Ban, FailedLogin
from hub_plugin_auth_guard.tables import METADATA

NAME = "auth-guard"


@click.group()
def auth() -> None:
    """Show failed logins; ban and release client addresses."""


@asynccontextmanager
async def _opened(context: CommandContext) -> AsyncIterator[tuple[Plugin, Tables]]:
    async with context.open_plugin(NAME) as plugin:
        yield plugin, await plugin.tables(METADATA)


@auth.command("bans")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_bans(context: CommandContext, as_json: bool) -> None:
    """List who is banned, the newest first."""

    async def read() -> Sequence[Ban]:
        async with _opened(context) as (plugin, tables):
            return await tables.read(partial(records.bans, now=plugin.clock.time()))

    found = context.run(read())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("Nobody is banned.")
    else:
        rows = [(each.network, time_text(each.since), time_text(each.until), each.reason) for each in found]
        show_table(("network", "since", "until", "reason"), rows)


@auth.command()
@click.argument("network")
@click.option("--for", "seconds", type=duration, help="How long, like 2h or 30d; as configured without it.")
@click.option("--reason", default="by hand", show_default=True, help="Why, for whoever lists the bans.")
@click.pass_obj
def ban(context: CommandContext, network: str, seconds: float | None, reason: str) -> None:
    """Ban NETWORK: one address (of IPv6 its /64), or a network such as 192.0.2.0/24."""

    async def work() -> Ban:
        async with _opened(context) as (plugin, tables):
            settings, now = plugin.settings(Settings), plugin.clock.time()
            found = records.given_network(network)
            _check_exempt(found, settings)
            if seconds == 0:
                raise ValueError("--for: a ban lasts some time")
            until = now + (settings.ban if seconds is None else seconds)
            made = Ban(found, now, until, records.shown(reason))
            await tables.write(partial(records.put_ban, ban=made))
            return made

    made = context.run(work())
    click.echo(f"{made.network} is banned until {time_text(made.until)}.")


@auth.command()
@click.argument("network")
@click.pass_obj
def release(context: CommandContext, network: str) -> None:
    """End the ban of NETWORK, and forget its failed logins."""

    async def work() -> str:
        async with _opened(context) as (plugin, tables):
            found = records.given_network(network)
            if not await tables.write(partial(records.release, network=found)):
                others = await tables.read(partial(records.bans, now=plugin.clock.time()))
                raise LookupError(_not_banned(found, others))
            return found

    click.echo(f"{context.run(work())} is free.")


@auth.command("failures")
@click.argument("who", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_failures(context: CommandContext, who: str | None, limit: int, as_json: bool) -> None:
    """List failed logins, the newest first: all, or those of WHO, an address or a user name."""

    async def read() -> Sequence[FailedLogin]:
        async with _opened(context) as (_, tables):
            client = who and (records.network_of(who) or who)
            return await tables.read(partial(records.failures, who=client or None, limit=limit))

    found = context.run(read())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], indent=2, ensure_ascii=False))
    elif not found:
        click.echo("No login has failed.")
    else:
        rows = [
            (time_text(each.at), each.client, each.username, f"{each.protocol} {each.mechanism}", each.reason)
            for each in found
        ]
        show_table(("at", "client", "user name", "by", "reason"), rows)


def _check_exempt(network: str, settings: Settings) -> None:
    first, last = ipaddress.ip_network(network)[0], ipaddress.ip_network(network)[-1]
    exempt = Networks(settings.exempt)
    if str(first) in exempt and str(last) in exempt:
        raise ValueError(f"{network} is exempt: plugins.auth-guard.exempt names it, no ban would do anything")


def _not_banned(network: str, others: Sequence[Ban]) -> str:
    wanted = ipaddress.ip_network(network)
    for other in others:
        around = ipaddress.ip_network(other.network)
        if around.version == wanted.version and (around.overlaps(wanted)):
            return f"{network} is not banned itself; what is banned is {other.network}"
    return f"{network} is not banned"
