"""`hub plugins new`: a plugin that passes its tests before a line of it is written."""

from __future__ import annotations

from pathlib import Path

import click

DRIVERS = ("storage", "blobs", "directory")
NEXT = {"run": "to try it", "test": "to run its tests", "check": "to see if it is fit to be shared"}


@click.command()
@click.argument("name")
@click.option(
    "--hooks", help="The hooks that it answers, with commas between them; smtp_rcpt if none is named."
)
@click.option("--driver", type=click.Choice(DRIVERS), help="Write a driver of this service.")
@click.option("--one-file", is_flag=True, help="One .py file and its test, for a watched plugin folder.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Where the new folder goes; the current one if not given.",
)
def new(name: str, hooks: str | None, driver: str | None, one_file: bool, directory: Path) -> None:
    """Write a folder NAME with a plugin in it: module, settings, README, tests. Nothing is overwritten.

    NAME has lower case, digits and hyphens: deny-list. `hub hooks` lists the hooks.
    """
    from hub.cli.scaffold.files import files
    from hub.cli.scaffold.module import Outline

    if driver and one_file:
        raise click.UsageError("a driver needs entry points, so it cannot be one file")
    named = _hooks(hooks) if hooks is not None else () if driver else ("smtp_rcpt",)
    outline = Outline(_name(name), named, driver, one_file)
    folder = directory / outline.name
    try:
        folder.mkdir()
    except FileExistsError:
        raise click.ClickException(f"{folder} is there already; nothing was written") from None
    for path, text in files(outline).items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8")
        click.echo(f"wrote {target}")
    path = f" {outline.snake}.py" if one_file else ""
    click.echo(f"\nNext: cd {folder}, then")
    for verb, what in NEXT.items():
        click.echo(f"  {f'hub plugins {verb}{path}':{20 + len(path)}} {what}")


def _name(name: str) -> str:
    """A name that a plugin may have, and that none has yet."""
    import re

    from hub.loading.catalogue import scan
    from hub.loading.sources import SourceError, check_name

    try:
        check_name(name)
        if name.startswith("hub-plugin-"):
            raise SourceError(f"'{name}': hub-plugin- is put before the name by itself")
    except SourceError as error:
        words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name.removeprefix("hub-plugin-"))
        near = "-".join(words).lower()
        raise click.ClickException(f"{error}." + (f" Did you mean '{near}'?" if near else "")) from None
    there = scan(()).sources.get(name)
    if there is not None:
        raise click.ClickException(f"there is a plugin '{name}' already, {there.kind}: {there.location}")
    return name


def _hooks(text: str) -> tuple[str, ...]:
    from hub.config.key import nearest
    from hub.hooks.areas import SPECS

    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in SPECS:
            near = nearest(name, SPECS)
            hint = f"Did you mean '{near}'?" if near else "See: hub hooks"
            raise click.ClickException(f"there is no hook '{name}'. {hint}")
    if not names:
        raise click.ClickException("--hooks names no hook. See: hub hooks")
    return names
