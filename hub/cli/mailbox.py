"""`hub mailbox`: mailboxes shared, and what was removed from them had back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from hub.cli import parameters
from hub.cli.context import Context, run, show_json
from hub.cli.sharing import share, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.services.blobs import Blobs
    from hub.services.chosen import Services
    from hub.services.expunged import Expunged
    from hub.services.storage import Placed

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which ones. since: seconds since the epoch. ids: all of the others without any."""

    mailbox: str | None
    since: float
    ids: frozenset[int]

    def __call__(self, each: Expunged) -> bool:
        return each.at >= self.since and (not self.ids or each.id in self.ids)


@click.group()
def mailbox() -> None:
    """Share mailboxes, and bring back what was removed from them."""


mailbox.add_command(share)
mailbox.add_command(shares)


@mailbox.command()
@click.argument("account")
@click.option("--mailbox", "name", metavar="NAME", help="Only what was in this mailbox.")
@click.option(
    "--since",
    type=parameters.duration,
    metavar="TIME",
    help="Only what was removed within it, like 2h or 7d.",
)
@click.option("--id", "ids", type=int, multiple=True, help="Only this one, by the number in the list.")
@click.option("--all", "everything", is_flag=True, help="All that is listed.")
@click.option("--into", metavar="NAME", help="Put them into this mailbox, not where each of them was.")
@click.option("--dry-run", is_flag=True, help="List what would come back, and leave it where it is.")
@click.option("--json", "as_json", is_flag=True, help="The messages as JSON.")
@click.pass_obj
def undelete(
    context: Context,
    account: str,
    name: str | None,
    since: float | None,
    ids: tuple[int, ...],
    everything: bool,
    into: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring back messages of ACCOUNT that a client expunged, or that went with their mailbox.

    Without --id or --all they are only listed. The hub may be running: whoever looks at the mailbox sees them
    come. A mailbox that is gone is made again. How long they are kept is `keep_expunged` of the storage.
    """
    if everything and ids:
        raise click.UsageError("choose one of --id and --all")
    wanted = _Wanted(name, 0.0 if since is None else time.time() - since, frozenset(ids))
    only_lists = dry_run or not (everything or ids)
    found, placed = run(_undelete(context, account, wanted, into, only_lists))
    if as_json:
        show_json({"messages": found, "restored": [_place(each) for each in placed]})
        return
    _show(found, placed, only_lists=only_lists)


async def _undelete(
    context: Context, login: str, wanted: _Wanted, into: str | None, only_lists: bool
) -> tuple[list[dict[str, object]], list[Placed]]:
    async with context.services() as services:
        chosen = await _chosen(services, login, wanted)
        facts = [await _facts(services.blobs, each) for each in chosen]
        placed: list[Placed] = []
        if not only_lists:
            owner = await services.directory.account(login)
            assert owner is not None  # _chosen has found it
            for start in range(0, len(chosen), _PAGE):
                batch = [each.id for each in chosen[start : start + _PAGE]]
                placed += await services.storage.undelete(owner.ref, batch, into)
        return facts, placed


async def _chosen(services: Services, login: str, wanted: _Wanted) -> list[Expunged]:
    """LookupError if there is no such account, or none of a number that was named."""
    owner = await services.directory.account(login)
    if owner is None:
        raise LookupError(f"there is no account {login}; those there are: hub account list")
    chosen: list[Expunged] = []
    after = 0
    while page := await services.storage.expunged(
        owner.ref, mailbox=wanted.mailbox, after=after, limit=_PAGE
    ):
        chosen += filter(wanted, page)
        after = page[-1].id
    if missing := wanted.ids - {each.id for each in chosen}:
        raise LookupError(f"nothing that was removed has the number {min(missing)}")
    return chosen


async def _facts(blobs: Blobs, each: Expunged) -> dict[str, object]:
    from hub.mail.encoded import on_one_line
    from hub.mail.headers import Headers
    from hub.services.blobs import BlobGone

    try:
        headers = Headers(each.item.lines + await blobs.read(each.item.blob, 0, each.item.head_size))
    except BlobGone:
        headers = Headers(each.item.lines)
    removed = datetime.fromtimestamp(each.at, UTC).isoformat(timespec="seconds")
    return {
        "id": each.id,
        "removed": removed,
        "mailbox": each.mailbox,
        "uid": each.item.uid,
        "size": each.item.size,
        "from": on_one_line(headers.get("From") or ""),
        "subject": on_one_line(headers.get("Subject") or ""),
    }


def _place(placed: Placed) -> dict[str, object]:
    return {"mailbox": placed.mailbox, "uid": placed.uid}


def _show(found: Sequence[dict[str, object]], placed: Sequence[Placed], *, only_lists: bool) -> None:
    if not found:
        click.echo("There is nothing that could be brought back.")
        return
    from hub.cli.tables import show_table

    heads = ("id", "removed", "mailbox", "size", "from", "subject")
    show_table(heads, [[str(each[head]) for head in heads] for each in found])
    if only_lists:
        click.echo(f"{len(found):,} can be brought back; name some with --id, or take --all.")
    else:
        names = ", ".join(sorted({each.mailbox for each in placed}))
        click.echo(f"{len(placed):,} are back, in {names}." if placed else "None of them is there any more.")
