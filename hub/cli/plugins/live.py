"""What the verbs that change plugins share: the registry, the running hub, and undoing what it refuses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, show_json

if TYPE_CHECKING:
    from hub.config.edit import Edit
    from hub.config.tables.hub import HubTable
    from hub.registry.index import Index

INDEX = click.option(
    "--index", metavar="PLACE", help="The registry, a folder or an https URL; without it registry.url."
)


def place_of(context: Context, index: str | None) -> str:
    """Where the registry is, by the option or the configuration."""
    place = index or context.config().settings.registry.url
    if place is None:
        raise click.ClickException(
            "no registry is named: set registry.url in the configuration, or say --index PLACE"
        )
    return place


def read(place: str) -> Index:
    """The registry's index."""
    from hub.registry.index import RegistryError
    from hub.registry.reading import read_index

    try:
        return read_index(place)
    except RegistryError as error:
        raise click.ClickException(str(error)) from None


@contextlib.contextmanager
def explained(hub: HubTable | None = None) -> Iterator[None]:
    """What goes wrong with a registry, a folder or a file becomes a sentence and exit code 1.

    hub: root acts as its user meanwhile, whose the plugin folders are.
    """
    from hub.cli.privileges import acting_as
    from hub.config.edit import CannotEdit
    from hub.registry.index import RegistryError

    try:
        with acting_as(hub) if hub is not None else contextlib.nullcontext():
            yield
    except (RegistryError, CannotEdit) as error:
        raise click.ClickException(str(error)) from None
    except PermissionError as error:
        raise click.ClickException(f"you may not change {error.filename}: {error.strerror}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'the disk'}: {error.strerror or error}") from None


def step(text: str) -> None:
    """Say what is done now, beside the answer on standard output."""
    click.echo(f"{text} …", err=True)


def is_running(context: Context) -> bool:
    """Whether the hub of this configuration runs."""
    from hub.control import is_running as runs

    return runs(context.data_dir / "control.sock")


def take_up(context: Context, undo: ExitStack) -> dict[str, object]:
    """Have the hub take up what was changed on disk, or undo the change and say why it refuses.

    Gives the report of the reload; of a hub that does not run, an empty one. The undoing is forgotten then.
    """
    errors, report = _load(context)
    if not errors:
        undo.pop_all()
        return report
    undo.close()
    if report:
        context.ask("reload")
    raise click.ClickException("refused, and undone:\n" + "\n".join(errors))


def clear(context: Context, report: Mapping[str, object], folders: Sequence[Path]) -> None:
    """Remove folders whose plugin is hidden, once nobody uses it any more.

    What only new workers do without, a library that is imported, stays until the next change.
    """
    import shutil

    if not folders or (report and report["restart_needed"]):
        return
    until = time.monotonic() + context.config().settings.hub.reload_grace + 5
    while is_running(context) and time.monotonic() < until:
        status = context.ask("status")
        assert isinstance(status, dict)
        if not status["draining"]:
            break
        step(f"{status['draining']} transactions end with the old one")
        time.sleep(0.5)
    for folder in folders:
        shutil.rmtree(folder)


def show_outcome(facts: Mapping[str, object], lines: Sequence[str], as_json: bool) -> None:
    """What became of it: the verb's own lines, then what the reload said. facts: with the `report`."""
    if as_json:
        show_json(facts)
        return
    for line in lines:
        click.echo(line)
    report = facts["report"]
    assert isinstance(report, dict)
    if not report:
        click.echo("no hub is running: it takes effect when it starts")
        return
    for warning in report["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    for reason in report["restart_needed"]:
        click.echo(f"takes effect with new workers: {reason}; run: hub reload --workers")
    click.echo(f"generation {report['generation']} serves")


def serving(context: Context, name: str) -> dict[str, object] | None:
    """What the running hub says of a plugin that serves, None if it does not."""
    described = context.ask("plugins")
    assert isinstance(described, list)
    return next((each for each in described if each["name"] == name), None)


def change(edits: Sequence[Edit], undo: ExitStack) -> None:
    """Write them, as who has typed the command: a configuration is seldom the hub's own to change."""
    from hub.cli.privileges import as_oneself

    for edit in edits:
        with as_oneself():
            edit.write()
        undo.callback(as_oneself()(edit.undo))


def show_diff(edits: Sequence[Edit]) -> None:
    """What changes in the configuration."""
    for edit in edits:
        click.echo(edit.diff, nl=False)


def _load(context: Context) -> tuple[list[str], dict[str, object]]:
    if is_running(context):
        step("the hub takes it up")
        report = context.ask("reload")
        assert isinstance(report, dict)
        return [str(error) for error in report["errors"]], report
    from hub.cli.plugin_models import PluginModelsOf
    from hub.config.effective import check_plugins
    from hub.config.errors import ConfigErrors

    try:
        config = context.reread()
        models = PluginModelsOf(config)
        return [str(error) for error in check_plugins(config, models, models.active)], {}
    except ConfigErrors as error:
        return str(error).splitlines(), {}
