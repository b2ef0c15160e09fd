"""`hub domain`: which domains mail is accepted for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group()
def domain() -> None:
    """Manage the domains that mail is accepted for."""


@domain.command()
@click.argument("domain")
@click.option("--tenant", default="default", show_default=True, help="Whom the domain belongs to.")
@click.pass_obj
def add(context: Context, domain: str, tenant: str) -> None:
    """Accept mail for DOMAIN from now on."""

    async def work() -> None:
        async with context.directory() as directory:
            await directory.add_domain(domain, tenant)

    run(work())
    click.echo(
        f"{domain.lower()} is a domain of this hub now. An account in it: hub account add NAME@{domain}"
    )


@domain.command()
@click.argument("domain")
@click.pass_obj
def remove(context: Context, domain: str) -> None:
    """Accept no more mail for DOMAIN, which must be empty of accounts and aliases."""

    async def work() -> None:
        async with context.directory() as directory:
            await directory.remove_domain(domain)

    run(work())
    click.echo(f"{domain.lower()} is no longer a domain of this hub.")


@domain.command("list")
@click.option("--json", "as_json", is_flag=True, help="The domains as JSON.")
@click.pass_obj
def list_domains(context: Context, as_json: bool) -> None:
    """List the domains with their tenants."""

    async def read() -> Sequence[tuple[str, str]]:
        async with context.directory() as directory:
            return await directory.domains()

    domains = run(read())
    if as_json:
        show_json([{"domain": name, "tenant": tenant} for name, tenant in domains])
    elif not domains:
        click.echo("There are no domains yet. Add one with: hub domain add example.org")
    else:
        from hub.cli.tables import show_table

        show_table(("domain", "tenant"), domains)
