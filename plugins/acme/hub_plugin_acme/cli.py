"""`hub acme`: which certificates there are, and have one renewed or taken back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import click

from hub import CommandContext, Plugin, show_table, time_text
from hub_plugin_acme import schedule
from hub_plugin_acme.ordering import Blocking, opened
from hub_plugin_acme.orders import Refused
from hub_plugin_acme.records import WISHED, Records
from hub_plugin_acme.settings import Settings, Wanted, wanted

NAME = "acme"
REASONS = {"unspecified": 0, "key-compromise": 1, "superseded": 4, "cessation": 5}
"""RFC 5280 §5.3.1, those that an owner may say."""


@click.group()
def acme() -> None:
    """Show certificates of ACME authorities; renew and revoke them."""


@acme.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def status(context: CommandContext, as_json: bool) -> None:
    """List the certificates that are wanted: until when they are good, and what went wrong last."""

    async def read() -> list[dict[str, object]]:
        async with context.open_plugin(NAME) as plugin:
            return [await _state(plugin, each) for each in _wanted(plugin).values()]

    found = context.run(read())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)


@acme.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def renew(context: CommandContext, name: str | None, as_json: bool) -> None:
    """Have the running hub order NAME anew, or all certificates; tells how that went."""
    context.ask_plugin(NAME, "here")  # nobody else orders

    async def work() -> list[dict[str, object]]:
        async with context.open_plugin(NAME) as plugin:
            records, every = Records(plugin.kv), _wanted(plugin)
            chosen = list(every) if name is None else [_named(name, every)]
            for called in chosen:
                await records.wish(called, wanted=True)
            try:
                async with asyncio.timeout(WISHED):
                    while await records.wishes() & set(chosen):  # noqa: ASYNC110 - granted elsewhere
                        await asyncio.sleep(0.2)
            except TimeoutError:
                raise RuntimeError(f"the hub has not ordered it within {WISHED:.0f} seconds") from None
            return [await _state(plugin, every[called]) for called in chosen]

    found = context.run(work())
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _show(found)
    if any(each["trouble"] for each in found):
        raise click.exceptions.Exit(1)


@acme.command()
@click.argument("name")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified", show_default=True)
@click.pass_obj
def revoke(context: CommandContext, name: str, reason: str) -> None:
    """Have the authority declare NAME void, as when its key got into wrong hands.

    A running hub then orders another one with another key, and serves what it has until that is there.
    """

    async def work() -> None:
        async with context.open_plugin(NAME) as plugin:
            records, settings = Records(plugin.kv), plugin.settings(Settings)
            kept = await records.certificate(name)
            if kept is None:
                raise LookupError(f"there is no certificate '{name}' to revoke. See: hub acme status")
            issuer = settings.model_copy(update={"directory": kept.directory})
            with Blocking() as blocking:
                try:
                    async with opened(blocking, records, issuer) as ca:
                        await blocking(ca.revoke, kept.chain, REASONS[reason])
                except Refused as refused:
                    raise RuntimeError(f"{refused}. {refused.advice}") from None
            await records.keep_progress(name, None)
            await records.keep_certificate(name, replace(kept, revoked=True))

    context.run(work())
    click.echo(f"{name} is revoked. A running hub orders another one now.")


def _wanted(plugin: Plugin) -> dict[str, Wanted]:
    return wanted(plugin.settings(Settings), plugin.hostname)


def _named(name: str, every: dict[str, Wanted]) -> str:
    if name not in every:
        raise LookupError(f"there is no certificate '{name}'; there are: {', '.join(every)}")
    return name


async def _state(plugin: Plugin, each: Wanted) -> dict[str, object]:
    """Everything about one certificate; times in seconds since the epoch."""
    records, now = Records(plugin.kv), plugin.clock.time()
    kept, progress = await records.certificate(each.called), await records.progress(each.called)
    renewed = schedule.renew_at(kept, progress) if kept is not None else now
    waits = progress.asked == each.asked
    return {
        "name": each.called,
        "names": list(each.names),
        "challenge": each.challenge,
        "valid": schedule.is_valid(kept, now),
        "directory": kept.directory if kept is not None else None,
        "until": kept.ends if kept is not None else None,
        "fingerprint": kept.fingerprint if kept is not None else None,
        "next": max(renewed, progress.again if waits else 0.0),
        "failures": progress.failures,
        "trouble": progress.trouble,
        "advice": progress.advice,
    }


def _show(found: list[dict[str, object]]) -> None:
    rows = []
    for each in found:
        trouble = f"{each['trouble']}. {each['advice']}" if each["trouble"] else ""
        names, until, ordered = each["names"], each["until"], each["next"]
        assert isinstance(names, list)
        assert isinstance(ordered, float)
        good = time_text(until) if each["valid"] and isinstance(until, float) else "not good"
        rows.append((str(each["name"]), ", ".join(names), good, time_text(ordered), trouble))
    show_table(("certificate", "names", "good until", "ordered next", "trouble"), rows)
