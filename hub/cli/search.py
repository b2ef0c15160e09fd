"""`hub search`: how far the index of what messages say has got, and that made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, run, show_json
from hub.cli.store import showing_progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from hub.mail.login import AccountRef
    from hub.services.chosen import Services
    from hub.services.search import Search
    from hub.services.storage import Mailbox, Storage


@click.group()
def search() -> None:
    """Show and make anew the index that narrows SEARCH."""


@search.command()
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Say how many mailboxes are indexed, and which are not up to date."""

    async def look() -> tuple[int, list[dict[str, object]]]:
        count = 0
        behind: list[dict[str, object]] = []
        async with context.services() as services:
            driver = _driver(services)
            async for account in _accounts(services.storage):
                mailboxes = await services.storage.mailboxes(account)
                done = await driver.indexed([each.id for each in mailboxes])
                count += len(mailboxes)
                behind += [
                    {
                        "account": f"{account.tenant}/{account.key}",
                        "mailbox": each.name,
                        "indexed": done.get(each.id, 0),
                        "last": each.uidnext - 1,
                    }
                    for each in mailboxes
                    if done.get(each.id, 0) < each.uidnext - 1
                ]
        return count, behind

    count, behind = run(look())
    if as_json:
        show_json({"mailboxes": count, "behind": behind})
        return
    click.echo(f"{count - len(behind):,} of {count:,} mailboxes are indexed to their last message.")
    if behind:
        from hub.cli.tables import show_table

        heads = ("account", "mailbox", "indexed", "last")
        show_table(heads, [[str(each[head]) for head in heads] for each in behind])


@search.command()
@click.argument("account", required=False)
@click.pass_obj
def reindex(context: Context, account: str | None) -> None:
    """Index all messages of ACCOUNT, or of all accounts, anew; the hub may go on running.

    Nothing need be done for what comes: a hub that runs indexes that by itself. It may be killed at any time,
    and what is not indexed is read by searches, as without an index.
    """

    async def work() -> int:
        async with context.services() as services:
            driver = _driver(services)
            wanted: list[tuple[AccountRef, Mailbox]] = []
            async for ref in _chosen(services, account):
                wanted += [(ref, each) for each in await services.storage.mailboxes(ref)]
            total = sum(each.messages for _, each in wanted)
            done = 0
            with showing_progress("Indexing") as (_, progress):
                for ref, mailbox in wanted:
                    await driver.reindex(ref, mailbox)
                    done += mailbox.messages
                    progress(done, total)
            return done

    click.echo(f"{run(work()):,} messages are indexed.")


def _driver(services: Services) -> Search:
    if services.search is None:
        raise LookupError(
            'no index is chosen; choose one with: [services] search = "search-fts" in the configuration'
        )
    return services.search


async def _accounts(storage: Storage) -> AsyncIterator[AccountRef]:
    last: AccountRef | None = None
    while page := await storage.accounts(last):
        for account in page:
            yield account
        last = page[-1]


async def _chosen(services: Services, login: str | None) -> AsyncIterator[AccountRef]:
    if login is None:
        async for each in _accounts(services.storage):
            yield each
        return
    account = await services.directory.account(login)
    if account is None:
        raise LookupError(f"there is no account {login}; those there are: hub account list")
    yield account.ref
