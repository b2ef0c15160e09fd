"""`hub dkim`: the keys of a domain, on a hub that runs or not; all its workers know within seconds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime

import click

from hub import CommandContext, Plugin, txt_data
from hub_plugin_dkim_sign.ring import Key, Ring, Rings
from hub_plugin_dkim_sign.rotation import advance, retire, rotate

NAME = "dkim-sign"
PAUSE = 5.0
as_json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group()
def dkim() -> None:
    """Show, make and change the keys that mail is signed with."""


@asynccontextmanager
async def _opened(context: CommandContext) -> AsyncIterator[tuple[Plugin, Rings]]:
    async with context.open_plugin(NAME) as plugin:
        yield plugin, Rings(plugin.kv, plugin.clock)


@dkim.command("list")
@as_json_option
@click.pass_obj
def list_keys(context: CommandContext, as_json: bool) -> None:
    """List the keys of all domains: which wait for DNS, which sign, which only stay in DNS."""

    async def read() -> Mapping[str, Ring]:
        async with _opened(context) as (_, rings):
            return await rings.all()

    _show(context.run(read()), as_json)


@dkim.command()
@click.argument("domain")
@as_json_option
@click.pass_obj
def show(context: CommandContext, domain: str, as_json: bool) -> None:
    """Show the keys of DOMAIN with the records that DNS should have for them."""

    async def read() -> Ring:
        async with _opened(context) as (_, rings):
            return _some(await rings.read(domain.lower()), domain)

    ring = context.run(read())
    _show({domain.lower(): ring}, as_json)
    if not as_json:
        _show_records(domain.lower(), ring)


@dkim.command()
@click.argument("domain")
@as_json_option
@click.pass_obj
def generate(context: CommandContext, domain: str, as_json: bool) -> None:
    """Make the first keys of DOMAIN; they sign once DNS has their records."""

    async def work() -> Ring:
        async with _opened(context) as (plugin, rings):
            if any(key.state != "retired" for key in await rings.read(domain.lower())):
                raise ValueError(f"{domain} has keys; 'hub dkim rotate {domain}' makes new ones")
            return await rotate(plugin, rings, domain.lower())

    ring = context.run(work())
    _show({domain.lower(): ring}, as_json)
    if not as_json:
        _show_records(domain.lower(), ring)


@dkim.command("rotate")
@click.argument("domain", required=False)
@click.option("--wait", type=click.IntRange(0), default=0, help="Seconds to wait for DNS.")
@as_json_option
@click.pass_obj
def rotate_keys(context: CommandContext, domain: str | None, wait: int, as_json: bool) -> None:
    """Make new keys for DOMAIN, or for all that have some, and go on with those that were begun.

    The hub looks once a minute whether DNS has the new records, signs with them from then on, and takes the
    old ones out after the overlap. Without [plugins.dkim-sign.update] the records are yours to publish.
    """

    async def work() -> Mapping[str, Ring]:
        async with _opened(context) as (plugin, rings):
            domains = [domain.lower()] if domain else list(await rings.all())
            for each in domains:
                await rotate(plugin, rings, each)
            deadline = time.monotonic() + wait
            while True:
                found = {each: await advance(plugin, rings, each) for each in domains}
                if not any(key.state == "waiting" for ring in found.values() for key in ring):
                    return found
                if time.monotonic() >= deadline:
                    return found
                await asyncio.sleep(PAUSE)

    found = context.run(work())
    _show(found, as_json)
    if not as_json:
        for name, ring in found.items():
            _show_records(name, ring)


@dkim.command("retire")
@click.argument("domain")
@as_json_option
@click.pass_obj
def retire_keys(context: CommandContext, domain: str, as_json: bool) -> None:
    """Forget the old keys of DOMAIN now, and not only after the overlap."""

    async def work() -> Ring:
        async with _opened(context) as (plugin, rings):
            _some(await rings.read(domain.lower()), domain)
            return await retire(plugin, rings, domain.lower(), before=plugin.clock.time())

    _show({domain.lower(): context.run(work())}, as_json)


def _some(ring: Ring, domain: str) -> Ring:
    if not ring:
        raise LookupError(f"{domain} has no keys; 'hub dkim generate {domain}' makes some")
    return ring


def _show(found: Mapping[str, Ring], as_json: bool) -> None:
    if as_json:
        shown = {domain: [_public(key) for key in ring] for domain, ring in found.items()}
        click.echo(json.dumps(shown, indent=2))
        return
    if not any(found.values()):
        click.echo("There are no keys.")
    for domain, ring in found.items():
        for key in ring:
            since = datetime.fromtimestamp(key.since, UTC).strftime("%Y-%m-%d %H:%M")
            click.echo(f"{domain}  {key.selector}  {key.kind}  {key.state} since {since}")


def _show_records(domain: str, ring: Iterable[Key]) -> None:
    for key in ring:
        if key.state != "retired":
            click.echo(f"{key.name(domain)}. TXT {txt_data(key.record)}")
    if any(key.state == "waiting" for key in ring):
        click.echo("New keys sign once DNS has their records, which the hub looks for once a minute.")


def _public(key: Key) -> dict[str, object]:
    return {name: value for name, value in asdict(key).items() if name != "pem"}
