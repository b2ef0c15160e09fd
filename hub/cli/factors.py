"""`hub account app-password | totp`: what an account logs in with beside its password."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from hub.cli import parameters
from hub.cli.context import Context, run, show_json
from hub.services.directory import PASSWORD_SCOPES, SecondFactors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from hub.mail.address import Address
    from hub.services.directory import AppPassword, TotpSecret


@asynccontextmanager
async def _factors(context: Context) -> AsyncIterator[SecondFactors]:
    async with context.services() as opened:
        if not isinstance(opened.directory, SecondFactors):
            raise LookupError("this directory keeps neither app passwords nor codes; its own tools may")
        yield opened.directory


@click.group("app-password")
def app_password() -> None:
    """Manage passwords that one program each logs in with."""


@app_password.command("add")
@click.argument("address", type=parameters.address)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(PASSWORD_SCOPES),
    multiple=True,
    default=("smtp", "imap"),
    show_default=True,
    help="What it is for; give it once for each.",
)
@click.pass_obj
def add_app_password(context: Context, address: Address, name: str, scopes: tuple[str, ...]) -> None:
    """Make one for the account of ADDRESS and print it, this once. NAME says which program has it."""

    async def work() -> str:
        async with _factors(context) as directory:
            return await directory.add_app_password(address, name, scopes)

    click.echo(run(work()))
    click.echo(f"This is the app password {name!r} of {address}, for {', '.join(scopes)}.", err=True)
    click.echo("Nobody can show it again.", err=True)


@app_password.command("list")
@click.argument("address", type=parameters.address)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def list_app_passwords(context: Context, address: Address, as_json: bool) -> None:
    """List those of the account of ADDRESS, with their last use."""

    async def read() -> Sequence[AppPassword]:
        async with _factors(context) as directory:
            return await directory.app_passwords(address)

    found = run(read())
    if as_json:
        show_json([{name: getattr(each, name) for name in each.__slots__} for each in found])
    elif not found:
        click.echo(f"{address} has no app passwords.")
    else:
        from hub.cli.tables import show_table, time_text

        rows = [
            (
                each.name,
                ", ".join(each.scopes),
                time_text(each.created),
                "never" if each.used is None else time_text(each.used),
            )
            for each in found
        ]
        show_table(("name", "for", "made", "last used"), rows)


@app_password.command("remove")
@click.argument("address", type=parameters.address)
@click.argument("name")
@click.pass_obj
def remove_app_password(context: Context, address: Address, name: str) -> None:
    """Take the app password NAME of ADDRESS away: it no longer logs in."""

    async def work() -> None:
        async with _factors(context) as directory:
            await directory.remove_app_password(address, name)

    run(work())
    click.echo(f"The app password {name!r} of {address} is gone.")


@click.group()
def totp() -> None:
    """Ask for the code of an authenticator behind a password (TOTP, RFC 6238)."""


@totp.command()
@click.argument("address", type=parameters.address)
@click.option("--secret", help="Take this secret, in base32, instead of a new one.")
@click.pass_obj
def enable(context: Context, address: Address, secret: str | None) -> None:
    """Show a secret for an authenticator, and ask for its code.

    From then on ADDRESS logs in with its password and the code directly behind it, each code once, or with an
    app password.
    """

    async def begin() -> TotpSecret:
        async with _factors(context) as directory:
            return await directory.new_totp(address, secret)

    async def finish(code: str) -> None:
        async with _factors(context) as directory:
            await directory.enable_totp(address, made.secret, code)

    made = run(begin())
    click.echo(f"Secret: {made.secret}\n{made.uri}")
    run(finish(str(click.prompt("Code"))))
    click.echo(f"The password of {address} alone no longer logs in; programs need app passwords.")


@totp.command()
@click.argument("address", type=parameters.address)
@click.pass_obj
def disable(context: Context, address: Address) -> None:
    """Let the password of ADDRESS alone log in again."""

    async def work() -> None:
        async with _factors(context) as directory:
            await directory.disable_totp(address)

    run(work())
    click.echo(f"{address} logs in with its password alone.")
