"""`hub plugins check`: whether a plugin is fit to be shared."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.context import show_json

AREAS = "names, code, settings, docs, leaks, types"


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option("--no-types", is_flag=True, help="Do not ask mypy.")
@click.option("--json", "as_json", is_flag=True, help="The faults as JSON.")
def check(path: Path, no_types: bool, as_json: bool) -> None:
    """Check a plugin's names, hooks, settings, docs and types, and that it leaves nothing behind.

    PATH is its folder or its one file, the current folder if not given. It is loaded, given a mail, saved
    three times and stopped, in a process of its own. Exit code 1 if anything but warnings was found.
    """
    from hub.testing.checking import check as find_faults

    faults = find_faults(path, types=not no_types)
    if as_json:
        show_json([fault.as_json() for fault in faults])
    else:
        for fault in faults:
            click.secho(f"{fault.area:9}", nl=False, fg="yellow" if fault.is_warning else "red")
            click.echo(str(fault))
        click.echo(f"checked: {AREAS}; {len(faults) or 'no'} {'fault' if len(faults) == 1 else 'faults'}")
    if not all(fault.is_warning for fault in faults):
        raise click.exceptions.Exit(1)
