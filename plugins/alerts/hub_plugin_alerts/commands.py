"""`hub alerts`: what fires, what is silenced, and a rule tried on the last days."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import click

from hub import CommandContext, Plugin, Severity, duration, show_table, time_text
from hub_plugin_alerts import keeping
from hub_plugin_alerts.counting import MINUTE
from hub_plugin_alerts.history import History
from hub_plugin_alerts.keeping import Keeper, Silence, SinkState
from hub_plugin_alerts.replaying import Firing, replay
from hub_plugin_alerts.settings import Rule, Settings
from hub_plugin_alerts.tables import METADATA
from hub_plugin_alerts.tracking import Tracked
from hub_plugin_alerts.wording import span

NAME: Final = "alerts"
DAY: Final = 86400


def _labels(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for value, (label, equals, _pattern) in zip(values, pairs, strict=True):
        if not equals or not label:
            raise click.BadParameter(f"{value!r} is no label=pattern, such as plugin=clamav")
    return {label: pattern for label, _equals, pattern in pairs}


_json = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group()
def alerts() -> None:
    """See what fires, silence it, try a rule on the last days, fire an alert by hand."""


@alerts.command("list")
@_json
@click.pass_obj
def list_alerts(context: CommandContext, as_json: bool) -> None:
    """Show alerts, silences, and sinks that have trouble."""

    async def read() -> tuple[list[Tracked], list[Silence], dict[str, SinkState], float]:
        async with context.open_plugin(NAME) as plugin:
            keeper = Keeper(plugin.kv)
            found = await keeper.alerts()
            return [*found.values()], await keeper.silences(), await keeper.sinks(), plugin.clock.time()

    found, silences, sinks, now = context.run(read())
    if as_json:
        _show_json(
            {
                "alerts": [{**dataclasses.asdict(each), "state": each.state} for each in found],
                "silences": [dataclasses.asdict(each) for each in silences],
                "sinks": {name: dataclasses.asdict(each) for name, each in sinks.items()},
            }
        )
        return
    if not found:
        click.echo("no alerts")
    _table(
        ("alert", "state", "severity", "for", "what", "told"), (_row(each, silences, now) for each in found)
    )
    _table(
        ("silence", "rule", "ends in", "where", "why"),
        (
            (each.id, each.rule, span(each.until - now), _pairs(each.where.items()), each.reason)
            for each in silences
        ),
    )
    _table(
        ("sink", "trouble", "failures"),
        ((name, each.trouble, str(each.failures)) for name, each in sinks.items() if each.trouble),
    )


@alerts.command()
@click.argument("rule")
@click.option("--where", multiple=True, callback=_labels, help="Only alerts with this label: plugin=clamav.")
@click.option("--for", "seconds", type=duration, default="2h", show_default=True, help="How long.")
@click.option("--reason", default="", help="Why, for the others.")
@_json
@click.pass_obj
def silence(
    context: CommandContext,
    rule: str,
    where: Mapping[str, str],
    seconds: float,
    reason: str,
    as_json: bool,
) -> None:
    """Tell nobody of RULE's alerts for a while; RULE may be a pattern.

    Who was told of one already learns that it is known here.
    """

    async def begin() -> Silence:
        async with context.open_plugin(NAME) as plugin:
            return await keeping.silence(plugin, rule, where, seconds, reason)

    made = context.run(begin())
    if as_json:
        _show_json(dataclasses.asdict(made))
    else:
        click.echo(f"{made.id}: {made.rule} is silent for {span(seconds)}")


@alerts.command()
@click.argument("identifier", metavar="ID")
@_json
@click.pass_obj
def unsilence(context: CommandContext, identifier: str, as_json: bool) -> None:
    """End a silence; what still fires is told again."""

    async def stop() -> Silence:
        async with context.open_plugin(NAME) as plugin:
            return await keeping.unsilence(plugin, identifier)

    ended = context.run(stop())
    if as_json:
        _show_json(dataclasses.asdict(ended))
    else:
        click.echo(f"{ended.rule} is silent no more")


@alerts.command()
@click.argument("rule")
@click.option("--days", type=click.FloatRange(0, 90, min_open=True), default=7, show_default=True)
@_json
@click.pass_obj
def test(context: CommandContext, rule: str, days: float, as_json: bool) -> None:
    """Say when RULE, as the configuration has it now, would have fired in the last days. Nobody is told."""

    async def look() -> list[Firing]:
        async with context.open_plugin(NAME) as plugin:
            settings = plugin.settings(Settings)
            chosen = settings.rules.get(rule)
            if chosen is None:
                raise LookupError(f"there is no rule '{rule}'; there are {', '.join(sorted(settings.rules))}")
            return await _replayed(plugin, rule, chosen, days, settings.max_alerts)

    firings = context.run(look())
    if as_json:
        _show_json({"rule": rule, "days": days, "firings": [dataclasses.asdict(each) for each in firings]})
        return
    click.echo(f"{rule} would have fired {len(firings)} times in the last {days:g} days")
    _table(("began", "lasted", "severity", "what"), map(_firing_row, firings))


@alerts.command()
@click.argument("summary")
@click.option(
    "--severity",
    type=click.Choice([str(each) for each in Severity]),
    default=str(Severity.WARNING),
    show_default=True,
)
@click.option("--for", "seconds", type=duration, default="5min", show_default=True, help="Until it ends.")
@_json
@click.pass_obj
def fire(context: CommandContext, summary: str, severity: str, seconds: float, as_json: bool) -> None:
    """Fire an alert by hand, to see whether it arrives; the running hub tells it at its next look."""

    async def begin() -> Tracked:
        async with context.open_plugin(NAME) as plugin:
            return await keeping.fire(plugin, summary, Severity(severity), seconds)

    made = context.run(begin())
    if as_json:
        _show_json(dataclasses.asdict(made))
    else:
        click.echo(f"{made.key} fires for {span(seconds)}")


async def _replayed(plugin: Plugin, name: str, rule: Rule, days: float, most: int) -> list[Firing]:
    history = History(await plugin.tables(METADATA))
    last = int(plugin.clock.time()) // MINUTE
    return await replay(history, name, rule, last - int(days * DAY) // MINUTE, last, most)


def _row(alert: Tracked, silences: Sequence[Silence], now: float) -> Sequence[str]:
    silenced = " (silenced)" if any(each.covers(alert) for each in silences) else ""
    told = [f"{sink}: {status}" for sink, status in alert.told.items()]
    told += [f"{sink}: did not take it: {why}" for sink, (_, why) in alert.refused.items()]
    age = span(now - (alert.fired or alert.began))
    return (alert.key, alert.state + silenced, alert.severity, age, alert.summary, "\n".join(told))


def _firing_row(firing: Firing) -> Sequence[str]:
    lasted = "until now" if firing.ended is None else span(firing.ended - firing.began)
    return time_text(firing.began), lasted, firing.severity, firing.summary


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}={value}" for name, value in pairs)


def _show_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    """A table if there are rows."""
    if found := [[cell or "" for cell in row] for row in rows]:
        show_table(heads, found)
