"""`hub db`: the schema of the store and of every plugin with tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click

from hub.cli.context import Context, run, show_json

if TYPE_CHECKING:
    from hub.services.migrations import Migrations

T = TypeVar("T")

dry_run_option = click.option("--dry-run", is_flag=True, help="Show the SQL, and change nothing.")


@click.group()
def db() -> None:
    """Show and change the database schema, a branch of revisions per plugin with tables."""


@db.command()
@click.option("--json", "as_json", is_flag=True, help="The branches as JSON.")
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show which revision the database has of each branch, and which one the installed code needs."""
    branches = _with_migrations(context, False, lambda migrations: migrations.status())
    if as_json:
        show_json([asdict(branch) for branch in branches])
        return
    from hub.cli.tables import show_table

    show_table(
        ("plugin", "database", "code", ""),
        [
            (each.branch, each.current or "none", each.head, "" if each.current == each.head else "differs")
            for each in branches
        ],
    )


@db.command()
@dry_run_option
@click.pass_obj
def upgrade(context: Context, dry_run: bool) -> None:
    """Bring every branch to the revision of the installed code, all of them or none."""
    statements = _with_migrations(
        context, not dry_run, lambda migrations: migrations.upgrade(dry_run=dry_run)
    )
    _show(statements, dry_run)


@db.command()
@click.argument("branch", metavar="PLUGIN")
@click.argument("revision")
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def downgrade(context: Context, branch: str, revision: str, dry_run: bool, yes: bool) -> None:
    """Take one plugin's tables back to a revision; `base` removes them, with all that is in them."""
    if not (dry_run or yes):
        click.confirm(
            f"Take the tables of {branch} back to {revision}? What does not fit is lost", abort=True
        )
    statements = _with_migrations(
        context, not dry_run, lambda migrations: migrations.downgrade(branch, revision, dry_run=dry_run)
    )
    _show(statements, dry_run)


def _with_migrations(context: Context, changing: bool, use: Callable[[Migrations], T]) -> T:
    from rich.console import Console

    async def work() -> T:
        async with context.migrations(changing=changing) as migrations:
            return use(migrations)

    if not changing:
        return run(work())
    with Console(stderr=True).status("Changing the schema; this takes the longer the more mail there is."):
        return run(work())


def _show(statements: Sequence[str], dry_run: bool) -> None:
    if dry_run:
        for statement in statements:
            click.echo(f"{statement.rstrip(';')};")
    elif statements:
        click.echo(f"{len(statements)} statements were run.")
    else:
        click.echo("The database has these revisions already; nothing was changed.")
