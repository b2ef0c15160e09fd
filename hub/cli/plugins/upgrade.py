"""`hub plugins upgrade`: the newest release of what was installed."""

from __future__ import annotations

import platform

import click

from hub.cli.context import Context
from hub.cli.plugins.install import place_release
from hub.cli.plugins.live import INDEX, explained, place_of, read


@click.command()
@click.argument("names", nargs=-1)
@INDEX
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON, one document for each plugin.")
@click.pass_obj
def upgrade(context: Context, names: tuple[str, ...], index: str | None, as_json: bool) -> None:
    """Put the newest release in place of what is installed, for NAMES or for all that the registry has.

    The running hub goes from the one to the other without a restart, each plugin by itself, all or nothing.
    """
    from packaging.version import Version

    from hub.registry.index import RegistryError
    from hub.registry.installed import installed, where_else

    place = place_of(context, index)
    hub = context.config().settings.hub
    dirs = hub.plugin_dirs
    with explained(hub):
        listed = read(place)
        there = installed(dirs)
        for name in names:
            if name not in there:
                raise RegistryError(
                    where_else(name, dirs) or f"{name} is not installed; run: hub plugins install {name}"
                )
        offered = {plugin.name: plugin for plugin in listed.plugins}
        wanted = names or sorted(there.keys() & offered.keys())
        newer = [
            (plugin, release)
            for plugin in (listed.plugin(name) for name in wanted)
            if (release := plugin.newest(platform.python_version())).parsed
            > Version(there[plugin.name].version)
        ]
    for name in set(wanted) - {plugin.name for plugin, _ in newer}:
        click.echo(f"{name} {there[name].version} is the newest release", err=True)
    for plugin, release in newer:
        place_release(context, place, plugin, release, as_json)
