"""`hub account`: who has mailboxes here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli import parameters
from hub.cli.context import Context, run, show_json
from hub.cli.factors import app_password, totp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.mail.address import Address
    from hub.services.directory import Account


@click.group()
def account() -> None:
    """Manage the accounts that have mailboxes."""


account.add_command(app_password)
account.add_command(totp)


def password_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where a new password comes from; asked for on the terminal without either."""
    command = click.option("--generate", is_flag=True, help="Make a password and print it.")(command)
    return click.option("--password-stdin", is_flag=True, help="Read it from the first line of the input.")(
        command
    )


@account.command()
@click.argument("address", type=parameters.address)
@password_options
@click.option(
    "--hash", "password_hash", help="Take a password hash from elsewhere: argon2, bcrypt, $6$, {SSHA}."
)
@click.option("--name", default="", help="The person's name.")
@click.option("--quota", type=parameters.size, help="How much mail it may hold, like 1GB.")
@click.option("--message-quota", type=click.IntRange(min=1), help="How many messages it may hold.")
@click.pass_obj
def add(
    context: Context,
    address: Address,
    password_stdin: bool,
    generate: bool,
    password_hash: str | None,
    name: str,
    quota: int | None,
    message_quota: int | None,
) -> None:
    """Make an account whose mailboxes are those of ADDRESS."""
    if sum((password_stdin, generate, password_hash is not None)) > 1:
        raise click.UsageError("choose one of --password-stdin, --generate and --hash")

    async def check() -> None:
        async with context.directory() as directory:
            if not await directory.is_local(address.domain):
                raise LookupError(
                    f"{address.domain} is not a domain of this hub; add it with: "
                    f"hub domain add {address.domain}"
                )

    async def work(password: str | None) -> None:
        async with context.directory() as directory:
            await directory.add_account(
                address,
                password,
                name=name,
                quota=quota,
                message_quota=message_quota,
                password_hash=password_hash,
            )

    run(check())  # before anybody types a password for an account that cannot be made
    password = None if password_hash is not None else _new_password(password_stdin, generate)
    run(work(password))
    click.echo(f"{address} has an account now.")
    if generate:
        click.echo(f"Password: {password}")


@account.command("list")
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="The accounts as JSON.")
@click.pass_obj
def list_accounts(context: Context, domain: str | None, as_json: bool) -> None:
    """List the accounts, of DOMAIN or of all."""

    async def read() -> Sequence[Account]:
        async with context.directory() as directory:
            return await directory.accounts(domain)

    accounts = run(read())
    if as_json:
        show_json([_facts(account) for account in accounts])
    elif not accounts:
        click.echo("There are no accounts. Add one with: hub account add alice@example.org")
    else:
        from hub.cli.tables import show_table

        show_table(("address", "name", "quota", "state", "key"), map(_row, accounts))


@account.command()
@click.argument("address", type=parameters.address)
@password_options
@click.pass_obj
def passwd(context: Context, address: Address, password_stdin: bool, generate: bool) -> None:
    """Give the account of ADDRESS a new password."""
    if password_stdin and generate:
        raise click.UsageError("choose one of --password-stdin and --generate")

    async def check() -> None:
        async with context.directory() as directory:
            if await directory.account(str(address)) is None:
                raise LookupError(f"there is no account {address}; those there are: hub account list")

    async def work(password: str) -> None:
        async with context.directory() as directory:
            await directory.set_password(address, password)

    run(check())
    password = _new_password(password_stdin, generate)
    run(work(password))
    click.echo(f"{address} has a new password.")
    if generate:
        click.echo(f"Password: {password}")


@account.command("set")
@click.argument("address", type=parameters.address)
@click.option("--name", help="The person's name.")
@click.option("--quota", type=parameters.size, help="How much mail it may hold, like 1GB; 0 is no limit.")
@click.option(
    "--message-quota", type=click.IntRange(min=0), help="How many messages it may hold; 0 is no limit."
)
@click.option("--enable/--disable", "enabled", default=None, help="Whether it may log in and gets mail.")
@click.pass_obj
def change(
    context: Context,
    address: Address,
    name: str | None,
    quota: int | None,
    message_quota: int | None,
    enabled: bool | None,
) -> None:
    """Change the account of ADDRESS."""
    if name is None and quota is None and message_quota is None and enabled is None:
        raise click.UsageError(
            "nothing to change; give --name, --quota, --message-quota, --enable or --disable"
        )

    async def work() -> Account:
        async with context.directory() as directory:
            return await directory.change_account(
                address, name=name, quota=quota, message_quota=message_quota, enabled=enabled
            )

    changed = run(work())
    _, shown_name, quota_text, state, _ = _row(changed)
    click.echo(f"{changed.address}: name {shown_name or '-'}, quota {quota_text}, {state}")


@account.command()
@click.argument("address", type=parameters.address)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(context: Context, address: Address, yes: bool) -> None:
    """Take the account of ADDRESS away: it can no longer log in nor get mail. Its mail stays in the store."""
    if not yes:
        click.confirm(f"Remove the account {address}? A later one of that address starts empty.", abort=True)

    async def work() -> None:
        async with context.directory() as directory:
            await directory.remove_account(address)

    run(work())
    click.echo(f"{address} has no account any more.")


def _new_password(from_stdin: bool, generate: bool) -> str:
    if generate:
        import secrets

        return secrets.token_urlsafe(15)
    if from_stdin:
        import sys

        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise click.ClickException("there is no password on the first line of the input")
        return line
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _facts(account: Account) -> dict[str, object]:
    return {
        "address": str(account.address),
        "name": account.name,
        "quota": account.quota,
        "message_quota": account.message_quota,
        "enabled": account.enabled,
        "tenant": account.ref.tenant,
        "key": account.ref.key,
    }


def _row(account: Account) -> tuple[str, str, str, str, str]:
    limits = [] if account.quota is None else [parameters.size_text(account.quota)]
    limits += [] if account.message_quota is None else [f"{account.message_quota} messages"]
    quota = ", ".join(limits) or "none"
    state = "enabled" if account.enabled else "disabled"
    return str(account.address), account.name, quota, state, account.ref.key
