"""`hub alias`: addresses that lead to others, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli import parameters
from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.mail.address import Address
    from hub.services.directory import Alias


@click.group()
def alias() -> None:
    """Manage addresses that lead elsewhere."""


@alias.command()
@click.argument("address", type=parameters.address)
@click.argument("targets", type=parameters.address, nargs=-1, required=True)
@click.pass_obj
def add(context: Context, address: Address, targets: tuple[Address, ...]) -> None:
    """Let mail for ADDRESS go to TARGETS, in place of those that it went to.

    An ADDRESS like '*@example.org' gets what nobody else in the domain does; quote it, for the shell knows
    the star, too.
    """
    from hub.services.directory import Alias

    async def work() -> None:
        async with context.directory() as directory:
            await directory.add_alias(Alias(address, targets))

    run(work())
    click.echo(f"Mail for {address} goes to {', '.join(map(str, targets))} now.")


@alias.command()
@click.argument("address", type=parameters.address)
@click.pass_obj
def remove(context: Context, address: Address) -> None:
    """Let mail for ADDRESS go nowhere any more."""

    async def work() -> None:
        async with context.directory() as directory:
            await directory.remove_alias(address)

    run(work())
    click.echo(f"{address} is no alias any more.")


@alias.command("list")
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="The aliases as JSON.")
@click.pass_obj
def list_aliases(context: Context, domain: str | None, as_json: bool) -> None:
    """List the aliases, of DOMAIN or of all."""

    async def read() -> Sequence[Alias]:
        async with context.directory() as directory:
            return await directory.aliases(domain)

    aliases = run(read())
    rows = [(str(alias.address), [str(target) for target in alias.targets]) for alias in aliases]
    if as_json:
        show_json([{"address": address, "targets": targets} for address, targets in rows])
    elif not rows:
        click.echo("There are no aliases. Add one with: hub alias add sales@example.org alice@example.org")
    else:
        from hub.cli.tables import show_table

        show_table(("address", "leads to"), [(address, "\n".join(targets)) for address, targets in rows])
