"""`hub store`: what lies in the store, held against its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from hub.cli.checking import Checked, Reindexed
    from hub.services.blobs import Collected, Progress

json_option = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")

Counted: TypeAlias = "Callable[[str, int], None]"


@click.group()
def store() -> None:
    """Check the store, give back its free space, make its index anew."""


@store.command()
@click.option("--deep", is_flag=True, help="Read all messages and verify their checksums.")
@click.option(
    "--repair", is_flag=True, help="Put right what can be, collect garbage. What is lost stays reported."
)
@json_option
@click.pass_obj
def check(context: Context, deep: bool, repair: bool, as_json: bool) -> None:
    """Hold the index and the messages against each other, beside a hub that may be running.

    Every row has its message, every mailbox its right counts, and what has no row is garbage. The exit status
    is 1 if anything is wrong and was not put right.
    """
    from hub.cli.checking import check

    async def work() -> Checked:
        async with context.services() as services:
            with showing_progress("Checking the store") as (counted, progress):
                return await check(services, deep=deep, repair=repair, counted=counted, progress=progress)

    checked = run(work())
    if as_json:
        show_json({**asdict(checked), "clean": checked.is_clean})
    else:
        for problem in checked.problems:
            click.echo(f"{'Repaired' if problem.repaired else 'Wrong'}: {problem.what}")
        click.echo(f"{checked.blobs:,} messages of {checked.accounts:,} accounts were looked at.")
        _say_garbage(checked.garbage, would=not repair)
        click.echo("The store is clean." if checked.is_clean else "The store is NOT clean.")
    if not checked.is_clean:
        raise SystemExit(1)


@store.command()
@json_option
@click.pass_obj
def compact(context: Context, as_json: bool) -> None:
    """Give back the space of removed messages now, whatever little it is; the hub may go on running.

    The hub does it by itself where it is worth the work. Files that are being written, or were until a moment
    ago, are left alone.
    """

    async def work() -> Collected:
        async with context.services() as services:
            with showing_progress("Collecting garbage") as (_, progress):
                return await services.blobs.collect(services.storage, force=True, progress=progress)

    collected = run(work())
    if as_json:
        show_json(asdict(collected))
    else:
        _say_garbage(collected, would=False)
    if collected.damaged:
        raise SystemExit(1)


@store.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def reindex(context: Context, yes: bool, as_json: bool) -> None:
    """Make the index anew out of the messages alone; the hub must not be running.

    Messages come back where they were first delivered. Nobody can know their flags, where they were moved or
    copied to, and which of them were removed and not yet collected.
    """
    from hub.control import is_running

    if is_running(context.data_dir / "control.sock"):
        raise click.ClickException("the hub is running; stop it before its index is made anew")

    result, unknown = run(_reindex(context, yes))
    if as_json:
        show_json(
            {
                "messages": result.messages,
                "queued": result.queued,
                "again": result.again,
                "problems": result.problems,
                "unknown_accounts": unknown,
                "not_known": ["flags", "moves and copies", "removals"],
            }
        )
    else:
        _say_reindexed(result, unknown)
    if result.problems:
        raise SystemExit(1)


async def _reindex(context: Context, yes: bool) -> tuple[Reindexed, dict[str, int]]:
    from hub.cli.checking import reindex
    from hub.services.directory import DirectoryAdmin

    async with context.services() as services:
        if await services.storage.accounts(limit=1) and not yes:
            click.confirm(
                "The index is not empty. Remove all its mailboxes, flags and queue rows, and begin anew?",
                abort=True,
            )
        await services.storage.clear()
        with showing_progress("Reading the messages") as (_, progress):
            result = await reindex(services, progress)
        known = set(result.accounts)
        if isinstance(services.directory, DirectoryAdmin):
            known = {account.ref for account in await services.directory.accounts()}
        unknown = {
            f"{ref.tenant}/{ref.key}": count for ref, count in result.accounts.items() if ref not in known
        }
        return result, unknown


def _say_reindexed(result: Reindexed, unknown: dict[str, int]) -> None:
    for problem in result.problems:
        click.echo(f"Not in the index: {problem}")
    click.echo(
        f"{result.messages:,} messages of {len(result.accounts):,} accounts are where they were first"
        f" delivered, {result.queued:,} recipients are queued."
    )
    if result.again:
        click.echo(f"{result.again:,} messages came twice and were taken once.")
    for account, count in unknown.items():
        click.echo(f"The directory knows no account {account}, which has {count:,} messages.")
    click.echo("Not known, and so lost: flags, moves and copies, and which messages had been removed.")


def _say_garbage(collected: Collected, *, would: bool) -> None:
    for damaged in collected.damaged:
        click.echo(f"Left where it is, since it cannot be read: {damaged}")
    if collected.blobs or collected.freed:
        did = "can be given back" if would else "were given back"
        click.echo(f"{collected.freed:,} octets of {collected.blobs:,} messages without rows {did}.")
    elif not would:
        click.echo("There was nothing to give back.")
    if collected.moved:
        moved = "would be" if would else "were"
        click.echo(f"{collected.moved:,} messages beside them {moved} written anew.")
    if collected.left:
        click.echo(f"{collected.left:,} octets of garbage are left for another time.")


@contextmanager
def showing_progress(title: str) -> Iterator[tuple[Counted, Progress]]:
    """Two functions that tell how far it is, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)

        def counted(what: str, count: int) -> None:
            bar.update(task, description=f"{title}: {count:,} {what}")

        def progress(done: int, total: int) -> None:
            bar.update(task, description=title, completed=done, total=total)

        yield counted, progress
