"""`hub config`: is the configuration right, what holds, what does a key mean, what differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.config.effective import PluginModels
    from hub.config.errors import ConfigErrors
    from hub.config.explain import Explanation
    from hub.config.load import Config

MODELS = "hub.cli.config.models"
"""Where `click.Context.meta` holds a function from a configuration to the settings models of its plugins."""


@click.group("config")
@click.option(
    "--config", "path", type=click.Path(path_type=Path), metavar="FILE", help="The configuration file."
)
@click.pass_context
def config(context: click.Context, path: Path | None) -> None:
    """Check, show, explain and compare the configuration."""
    context.obj = path


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The errors as JSON.")
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Say everything that is wrong, each with file, line and nearest right name; fail if anything is."""
    from hub.config.effective import check_plugins
    from hub.config.errors import ConfigErrors
    from hub.config.load import load

    try:
        loaded = load(context.obj)
        models = _models(context, loaded)
        if models is not None and (faults := check_plugins(loaded, models)):
            raise ConfigErrors(faults)
    except ConfigErrors as error:
        _report(error, as_json)
        context.exit(1)
    if as_json:
        click.echo(_json({"ok": True, "sources": list(map(str, loaded.sources)), "errors": []}))
    else:
        click.echo(f"{_sources(loaded)}: no errors")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="The values as JSON, without their origins.")
@click.pass_context
def show(context: click.Context, as_json: bool) -> None:
    """Print every value that holds, and where it comes from, as a file that the hub would read."""
    from hub.config.effective import effective, to_json, to_toml

    loaded = _load(context.obj)
    values = effective(loaded, _models(context, loaded), _active(loaded))
    click.echo(_json(to_json(values)) if as_json else to_toml(loaded, values), nl=as_json)


@config.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="The explanation as JSON.")
@click.pass_context
def explain(context: click.Context, key: str, as_json: bool) -> None:
    """Say what KEY means, its type and default, what it is now, and where that was written."""
    from hub.config.effective import to_json
    from hub.config.errors import ConfigErrors
    from hub.config.explain import explain as explain_key
    from hub.config.key import format_key
    from hub.config.load import load, load_defaults

    defaults = load_defaults()
    try:
        loaded = load(context.obj)
    except ConfigErrors as error:
        click.echo(f"The configuration has errors, so this is about the defaults:\n{error}\n", err=True)
        loaded = defaults
    try:
        explained = explain_key(key, loaded, defaults, _models(context, loaded))
    except LookupError as error:
        raise click.ClickException(str(error.args[0])) from None
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
    click.echo(_json(facts))


@config.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="The changes as JSON.")
@click.pass_context
def diff(context: click.Context, file: Path | None, as_json: bool) -> None:
    """Print what differs from the defaults, or what FILE would change if it were the configuration."""
    from hub.config.effective import differences, effective, shown, to_json
    from hub.config.key import format_key
    from hub.config.load import load_defaults

    current = _load(context.obj)
    before, after = (load_defaults(), current) if file is None else (current, _load(file))
    plugins = sorted({*_active(before), *_active(after), *before.plugin_names(), *after.plugin_names()})
    old = effective(before, _models(context, before), plugins)
    changes = differences(old, after, effective(after, _models(context, after), plugins))
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
        click.echo(_json(facts))
        return
    for change in changes:
        values = f"{shown(change.before)} → {shown(change.after)}"
        click.echo(f"{format_key(change.key)}: {values}  ({change.origin})")


def _load(path: Path | None) -> "Config":
    from hub.config.errors import ConfigErrors
    from hub.config.load import load

    try:
        return load(path)
    except ConfigErrors as error:
        raise click.ClickException(f"the configuration has errors\n{error}") from None


def _models(context: click.Context, loaded: "Config") -> "PluginModels | None":
    lookup: Callable[[Config], PluginModels] | None = context.meta.get(MODELS)
    return None if lookup is None else lookup(loaded)


def _active(loaded: "Config") -> list[str]:
    return [name for name in loaded.settings.hub.plugins if not name.startswith("!")]


def _report(error: "ConfigErrors", as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        click.echo(_json({"ok": False, "sources": [], "errors": [asdict(fault) for fault in error.errors]}))
        return
    count = len(error.errors)
    click.echo(str(error))
    click.echo(f"{count} error{'s' * (count != 1)}. What a key means: hub config explain KEY", err=True)


def _lines(explained: "Explanation") -> list[str]:
    from hub.config.effective import shown
    from hub.config.key import format_key

    lines = [format_key(explained.key), f"  {explained.meaning}", f"  type:     {explained.type}"]
    if explained.names:
        lines.append(f"  keys:     {', '.join(explained.names)}")
    else:
        default = "none, it must be given" if explained.required else shown(explained.default)
        lines += [f"  default:  {default}", f"  value:    {shown(explained.value)}"]
    return [*lines, f"  from:     {explained.origin}"]


def _sources(loaded: "Config") -> str:
    from hub.config.find import display

    names = [display(path, Path.cwd()) for path in loaded.sources]
    return ", ".join(names) or "no configuration file, the defaults hold"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
