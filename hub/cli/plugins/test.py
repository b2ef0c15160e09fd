"""`hub plugins test`: the tests of a plugin, with the test kit."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("path", type=click.Path(path_type=Path, exists=True), default=Path())
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(path: Path, arguments: tuple[str, ...]) -> None:
    """Run a plugin's tests with pytest, in real hubs with the plugin as it is written.

    PATH is its folder or its one file, the current folder if not given. What follows it is pytest's:
    hub plugins test . -k junk
    """
    from hub.loading.sources import Kind, SourceError
    from hub.testing.project import open_project

    missing = [name for name in ("pytest", "pytest_asyncio") if importlib.util.find_spec(name) is None]
    if missing:
        needed = " and ".join(name.replace("_", "-") for name in missing)
        raise click.ClickException(f"{needed} is not installed: pip install 'mail-hub[testing]'")
    try:
        project = open_project(path)
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    chosen: list[str] = []
    if project.source.kind is Kind.FILE:
        test_file = project.root / f"test_{project.source.location.name}"
        if not test_file.is_file():
            raise click.ClickException(f"there is no {test_file.name} beside it. See: hub plugins new")
        chosen = [test_file.name]
    command = [sys.executable, "-m", "pytest", *chosen, *arguments]
    raise click.exceptions.Exit(subprocess.run(command, cwd=project.root, check=False).returncode)
