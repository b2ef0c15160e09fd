"""`hub errors`: every error that the hub can report, what it means and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hub.cli.context import show_json

if TYPE_CHECKING:
    from hub.errors.known import KnownError


def catalogue() -> dict[str, KnownError]:
    """Code → error, for every area."""
    from hub.config.errors import KNOWN_ERRORS
    from hub.errors.logged import LOGGED
    from hub.imap.errors import known_errors as imap
    from hub.loading.errors import NOT_LOADED
    from hub.smtp.errors import known_errors as smtp

    return {each.code: each for each in (*smtp(), *imap(), *KNOWN_ERRORS, NOT_LOADED, *LOGGED.values())}


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, help="The entries as JSON.")
def errors(code: str | None, as_json: bool) -> None:
    """List the errors that the hub can report, or explain one.

    CODE is what stands behind `error=` in the log, a code of RFC 3463 from a reply, such as 5.7.1, or a
    part of either.
    """
    found = list(catalogue().values()) if code is None else _meant(code)
    if as_json:
        show_json([asdict(each) for each in found])
    elif code is not None and len(found) == 1:
        click.echo(_explained(found[0]))
    else:
        for each in found:
            text = each.text.splitlines()[0] if each.text else each.event
            click.echo(f"{each.code:32} {each.category:12} {each.enhanced:7} {text}".rstrip())


def _meant(code: str) -> Sequence[KnownError]:
    known = catalogue()
    if code in known:
        return [known[code]]
    found = [each for each in known.values() if code in {each.enhanced, each.event} or code in each.code]
    if not found:
        near = difflib.get_close_matches(code, known, 1, 0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise click.ClickException(f"there is no error '{code}'.{hint} hub errors lists all.")
    return found


def _explained(error: KnownError) -> str:
    lines = [error.code, f"  category: {error.category}"]
    if error.enhanced:
        lines.append(f"  RFC 3463: {error.enhanced}")
    if error.text:
        lines.append(f"  clients:  {error.text}")
    if error.event:
        lines.append(f"  log:      {error.event}")
    return "\n".join([*lines, f"  do:       {error.advice}"])
