"""`hub mailbox share | shares`: who else may do what in a mailbox (RFC 4314)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from hub.services.chosen import Services
    from hub.services.directory import Account
    from hub.services.storage import Mailbox


@click.command(context_settings={"ignore_unknown_options": True})  # -t is a right taken away
@click.argument("owner")
@click.argument("mailbox")
@click.argument("who")
@click.argument("rights")
@click.pass_obj
def share(context: Context, owner: str, mailbox: str, who: str, rights: str) -> None:
    """Give WHO these RIGHTS in the MAILBOX of OWNER.

    WHO is an account, or `anyone`. RIGHTS are letters of RFC 4314: l sees the mailbox, r reads, s marks as
    seen, w sets flags, i puts messages in, k makes mailboxes below it, x deletes it, t and e delete messages,
    a gives rights; `none` takes all away. With + or - before them they are added or taken away. The hub may
    be running.
    """
    told, now = run(_share(context, owner, mailbox, who, rights))
    click.echo(f"{told} has {now or 'no rights of its own'} in {mailbox} of {owner}.")


async def _share(context: Context, login: str, name: str, who: str, text: str) -> tuple[str, str]:
    from hub.imap.replies import Refused
    from hub.imap.rights import changed_rights, identifier_of, read_rights

    try:
        mode, rights = read_rights(b"" if text == "none" else text.encode())
    except Refused as refused:
        raise click.UsageError(str(refused)) from None
    async with context.services() as services:
        owner, mailbox = await _mailbox(services, login, name)
        identifier = await identifier_of(services.directory, owner.ref, who)
        if identifier is None:
            raise LookupError(f"there is no account {who}, but its owner, to share {name} with")
        listed = await services.storage.rights(mailbox.id)
        now = changed_rights(listed.get(identifier, ""), mode, rights)
        await services.storage.set_rights(mailbox.id, identifier, now)
        return identifier, now


@click.command()
@click.argument("owner")
@click.option("--json", "as_json", is_flag=True, help="The lists as JSON.")
@click.pass_obj
def shares(context: Context, owner: str, as_json: bool) -> None:
    """List who else may do what in the mailboxes of OWNER."""
    found = run(_shares(context, owner))
    if as_json:
        show_json([dict(zip(("mailbox", "who", "rights"), row, strict=True)) for row in found])
    elif not found:
        click.echo(f"Nobody else may do anything in the mailboxes of {owner}.")
    else:
        from hub.cli.tables import show_table

        show_table(("mailbox", "who", "rights"), found)


async def _shares(context: Context, login: str) -> list[tuple[str, str, str]]:
    async with context.services() as services:
        owner = await _owner(services, login)
        return [
            (mailbox.name, identifier, rights)
            for mailbox in await services.storage.mailboxes(owner.ref)
            for identifier, rights in sorted((await services.storage.rights(mailbox.id)).items())
        ]


async def _owner(services: Services, login: str) -> Account:
    owner = await services.directory.account(login)
    if owner is None:
        raise LookupError(f"there is no account {login}; those there are: hub account list")
    return owner


async def _mailbox(services: Services, login: str, name: str) -> tuple[Account, Mailbox]:
    owner = await _owner(services, login)
    mailbox = await services.storage.mailbox(owner.ref, name)
    if mailbox is None:
        raise LookupError(f"{login} has no mailbox {name}")
    return owner, mailbox
