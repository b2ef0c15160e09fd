"""`hub dns`: what the world has to know of a domain, and whether it does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from hub.cli.dns_check import Checked


@click.group()
def dns() -> None:
    """Show and check what a domain needs in DNS."""


@dns.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="The records as JSON.")
@click.pass_obj
def records(context: Context, domain: str, as_json: bool) -> None:
    """Print every record that DOMAIN needs, as a zone file.

    They follow from the configuration and from what active plugins have, such as the keys of dkim-sign.
    """
    from hub.cli.dns_records import needed, zone_file

    name = domain.lower().rstrip(".")
    found = run(needed(context, name))
    if as_json:
        show_json([asdict(record) for record in found])
    else:
        click.echo(zone_file(name, found), nl=False)


@dns.command()
@click.argument("domain")
@click.option("--json", "as_json", is_flag=True, help="What was found as JSON.")
@click.pass_obj
def check(context: Context, domain: str, as_json: bool) -> None:
    """Ask DNS whether DOMAIN has its records, and say how to mend what is missing or wrong.

    The resolvers are those of [dns]. The exit code is 1 if mail suffers from what was found; what is only
    convenient may be missing.
    """
    found = run(_check(context, domain.lower().rstrip(".")))
    if as_json:
        show_json([{**asdict(each.record), "status": each.status, "remark": each.remark} for each in found])
    else:
        for each in found:
            optional = " (optional)" if each.record.optional and each.status != "ok" else ""
            click.echo(
                f"{each.status:8} {each.record.kind:5} {each.record.name}  {each.record.why}{optional}"
            )
            if each.remark:
                click.echo(f"         {each.remark}")
    if any(each.fails for each in found):
        sys.exit(1)


async def _check(context: Context, domain: str) -> Sequence[Checked]:
    from hub.cli.dns_check import check_host, check_records
    from hub.cli.dns_records import needed
    from hub.services.resolver import Resolver

    settings = context.config().settings
    resolver = Resolver(settings.dns.nameservers)
    wanted = await needed(context, domain)
    return [await check_host(resolver, settings.hub.hostname), *await check_records(resolver, wanted)]
