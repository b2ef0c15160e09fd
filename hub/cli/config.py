"""`hub config`: is the configuration right, what holds, what does a key mean, what differs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, show_json

if TYPE_CHECKING:
    from hub.cli.plugin_models import PluginModelsOf
    from hub.config.errors import ConfigErrors
    from hub.config.explain import Explanation
    from hub.config.load import Config


@dataclass(frozen=True, slots=True)
class Place:
    """What the verbs of this group share: the file that was named, and folders of more plugins."""

    path: Path | None
    trees: tuple[Path, ...]

    def load(self) -> Config:
        """The configuration. Raises ConfigErrors."""
        from hub.config.load import load

        return load(self.path)

    def models(self, loaded: Config) -> PluginModelsOf:
        """The settings models of its plugins."""
        from hub.cli.plugin_models import PluginModelsOf

        return PluginModelsOf(loaded, self.trees)


@click.group("config")
@click.option(
    "--plugins",
    "trees",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of plugin source trees, as for hub serve; may be given more than once.",
)
@click.pass_context
def config(context: click.Context, trees: tuple[Path, ...]) -> None:
    """Check, show, explain and compare the configuration."""
    shared = context.find_object(Context)
    context.obj = Place(shared.config_path if shared is not None else None, trees)


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The errors as JSON.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Say everything that is wrong, each with file, line and nearest right name; fail if anything is."""
    from hub.config.effective import check_plugins
    from hub.config.errors import ConfigErrors

    place: Place = context.obj
    try:
        loaded = place.load()
        models = place.models(loaded)
        if faults := check_plugins(loaded, models, models.active) or models.unspoken():
            raise ConfigErrors(faults)
    except ConfigErrors as error:
        _report(error, as_json)
        context.exit(1)
    if as_json:
        show_json({"ok": True, "sources": list(loaded.sources), "errors": []})
    else:
        click.echo(f"{_sources(loaded)}: no errors")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The values as JSON, without their origins.")
@click.pass_obj
def show(place: Place, as_json: bool) -> None:
    """Print every value that holds, and where it comes from, as a file that the hub would read."""
    from hub.config.effective import effective, to_json, to_toml

    loaded = _load(place)
    models = place.models(loaded)
    values = effective(loaded, models, models.active)
    if as_json:
        show_json(to_json(values))
    else:
        click.echo(to_toml(loaded, values), nl=False)


@config.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="The explanation as JSON.")
@click.pass_obj
def explain(place: Place, key: str, as_json: bool) -> None:
    """Say what KEY means, its type and default, what it is now, and where that was written."""
    from hub.config.effective import to_json
    from hub.config.errors import ConfigErrors
    from hub.config.explain import explain as explain_key
    from hub.config.key import format_key
    from hub.config.load import load_defaults

    defaults = load_defaults()
    try:
        loaded = place.load()
    except ConfigErrors as error:
        click.echo(f"The configuration has errors, so this is about the defaults:\n{error}\n", err=True)
        loaded = defaults
    try:
        explained = explain_key(key, loaded, defaults, place.models(loaded))
    except LookupError as error:
        raise click.ClickException(str(error.args[0])) from None
    except ConfigErrors as error:
        raise click.ClickException(f"the plugin cannot be asked\n{error}") from None
    if not as_json:
        click.echo("\n".join(_lines(explained)))
        return
    facts = {
        "key": format_key(explained.key),
        "meaning": explained.meaning,
        "type": explained.type,
        "required": explained.required,
        "default": to_json(explained.default),
        "value": to_json(explained.value),
        "origin": str(explained.origin),
        "names": list(explained.names),
    }
    show_json(facts)


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="The changes as JSON.")
@click.pass_obj
def diff(place: Place, file: Path | None, as_json: bool) -> None:
    """Print what differs from the defaults, or what FILE would change if it were the configuration."""
    from hub.config.effective import differences, effective, shown, to_json
    from hub.config.key import format_key
    from hub.config.load import load_defaults

    current = _load(place)
    before, after = (load_defaults(), current) if file is None else (current, _load(Place(file, place.trees)))
    models = place.models(after)
    plugins = {*models.active, *before.plugin_names(), *after.plugin_names()}
    changes = differences(effective(before, models, plugins), after, effective(after, models, plugins))
    if as_json:
        facts = [
            {
                "key": format_key(change.key),
                "before": to_json(change.before),
                "after": to_json(change.after),
                "origin": str(change.origin),
            }
            for change in changes
        ]
        show_json(facts)
        return
    for change in changes:
        values = f"{shown(change.before)} → {shown(change.after)}"
        click.echo(f"{format_key(change.key)}: {values}  ({change.origin})")


def _load(place: Place) -> Config:
    from hub.config.errors import ConfigErrors

    try:
        return place.load()
    except ConfigErrors as error:
        raise click.ClickException(f"the configuration has errors\n{error}") from None


def _report(error: ConfigErrors, as_json: bool) -> None:
    if as_json:
        show_json({"ok": False, "sources": [], "errors": [asdict(fault) for fault in error.errors]})
        return
    count = len(error.errors)
    click.echo(str(error))
    click.echo(f"{count} error{'s' * (count != 1)}. What a key means: hub config explain KEY", err=True)
    codes = ", ".join(dict.fromkeys(fault.code for fault in error.errors))
    click.echo(f"What to do: hub errors CODE, of {codes}", err=True)


def _lines(explained: Explanation) -> list[str]:
    from hub.config.effective import shown
    from hub.config.key import format_key

    lines = [format_key(explained.key), f"  {explained.meaning}", f"  type:     {explained.type}"]
    if explained.names:
        lines.append(f"  keys:     {', '.join(explained.names)}")
    else:
        default = "none, it must be given" if explained.required else shown(explained.default)
        lines += [f"  default:  {default}", f"  value:    {shown(explained.value)}"]
    return [*lines, f"  from:     {explained.origin}"]


def _sources(loaded: Config) -> str:
    from hub.config.find import display

    names = [display(path, Path.cwd()) for path in loaded.sources]
    return ", ".join(names) or "no configuration file, the defaults hold"
