"""`hub webhooks`: what waits, what was given up, and what is to become of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from hub import CommandContext, Plugin
from hub_plugin_webhooks import courier, outbox
from hub_plugin_webhooks.outbox import METADATA, Tally, Waiting
from hub_plugin_webhooks.settings import Settings

NAME = "webhooks"
T = TypeVar("T")

as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
events = click.argument("events", nargs=-1)
one_endpoint = click.option("--endpoint", help="Of this endpoint; without EVENTS, all of its.")


@click.group()
def webhooks() -> None:
    """Show, send again and drop the events for web servers."""


@webhooks.command("list")
@click.argument("endpoint", required=False)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Events at most.")
@as_json
@click.pass_obj
def list_(context: CommandContext, endpoint: str | None, limit: int, as_json: bool) -> None:
    """The endpoints, or what is kept for one of them: dead letters first, then what waits."""
    if endpoint is None:
        _show_endpoints(context, as_json=as_json)
        return
    found = context.run(_with_tables(context, partial(outbox.listed, endpoint=endpoint, limit=limit)))
    if as_json:
        _print_json([_described(each) for each in found])
        return
    table = Table("event", "kind", "state", "tries", "next try", "last answer", box=None)
    for each in found:
        state = "dead" if each.dead else "waits"
        due = "" if each.dead or not each.tries else _iso(each.due)
        table.add_row(each.event, each.kind, state, str(each.tries), due, each.answer)
    Console().print(table)


@webhooks.command()
@click.argument("event")
@click.pass_obj
def show(context: CommandContext, event: str) -> None:
    """One event with what is sent, for each endpoint that has not taken it, as JSON."""
    found = context.run(_with_tables(context, partial(outbox.of_event, event=event)))
    if not found:
        raise click.ClickException(f"no event {event} is kept: it was delivered or dropped, or never was")
    _print_json([{**_described(each), "body": json.loads(each.body)} for each in found])


@webhooks.command()
@events
@one_endpoint
@click.pass_obj
def replay(context: CommandContext, events: Sequence[str], endpoint: str | None) -> None:
    """Send dead letters again."""
    _need_some(events, endpoint)

    async def work() -> int:
        async with context.open_plugin(NAME) as plugin:
            tables = await plugin.tables(METADATA)
            now = plugin.clock.time()
            return await tables.write(partial(outbox.replay, endpoint=endpoint, events=events, now=now))

    click.echo(f"{context.run(work())} events are sent again")


@webhooks.command()
@events
@one_endpoint
@click.option("--waiting", is_flag=True, help="Also what was not given up yet.")
@click.pass_obj
def drop(context: CommandContext, events: Sequence[str], endpoint: str | None, waiting: bool) -> None:
    """Forget dead letters."""
    _need_some(events, endpoint)
    work = partial(outbox.drop, endpoint=endpoint, events=events, waiting=waiting)
    click.echo(f"{context.run(_with_tables(context, work, writes=True))} events are forgotten")


@webhooks.command()
@click.argument("endpoint")
@click.pass_obj
def enable(context: CommandContext, endpoint: str) -> None:
    """Send again to an endpoint that has said 410 Gone."""

    async def work() -> bool:
        async with context.open_plugin(NAME) as plugin:
            _endpoint(plugin, endpoint)
            return await courier.enable(plugin, endpoint)

    click.echo(f"{endpoint} is sent to again" if context.run(work()) else f"{endpoint} was not gone")


def _show_endpoints(context: CommandContext, *, as_json: bool) -> None:
    rows = context.run(_endpoints(context))
    if as_json:
        _print_json(rows)
        return
    table = Table("endpoint", "state", "waiting", "dead", "oldest", "url", box=None)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in _COLUMNS))
    Console().print(table)


_COLUMNS = ("endpoint", "state", "waiting", "dead", "oldest", "url")


async def _endpoints(context: CommandContext) -> list[dict[str, object]]:
    async with context.open_plugin(NAME) as plugin:
        tallies = await (await plugin.tables(METADATA)).read(outbox.tallies)
        configured = plugin.settings(Settings).endpoints
        rows: list[dict[str, object]] = []
        for name in sorted(configured.keys() | tallies.keys()):
            tally = tallies.get(name, Tally(0, 0, None))
            endpoint = configured.get(name)
            state = "not configured"
            if endpoint is not None:
                state = "gone" if await courier.is_gone(plugin, name, endpoint) else "enabled"
            rows.append(
                {
                    "endpoint": name,
                    "state": state,
                    "waiting": tally.waiting,
                    "dead": tally.dead,
                    "oldest": None if tally.oldest is None else _iso(tally.oldest),
                    "url": endpoint and endpoint.url,
                }
            )
        return rows


async def _with_tables(
    context: CommandContext, work: Callable[[Connection], T], *, writes: bool = False
) -> T:
    async with context.open_plugin(NAME) as plugin:
        tables = await plugin.tables(METADATA)
        return await (tables.write if writes else tables.read)(work)


def _endpoint(plugin: Plugin, name: str) -> None:
    known = plugin.settings(Settings).endpoints
    if name not in known:
        raise LookupError(f"there is no endpoint '{name}'; there are: {', '.join(known) or 'none'}")


def _need_some(events: Sequence[str], endpoint: str | None) -> None:
    if not events and endpoint is None:
        raise click.UsageError("say which: EVENTS by their ids, or all of an --endpoint")


def _described(event: Waiting) -> dict[str, object]:
    said = asdict(event)
    for name in ("id", "lane", "body", "holds"):
        del said[name]
    return {**said, "created": _iso(event.created), "due": None if event.dead else _iso(event.due)}


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))
