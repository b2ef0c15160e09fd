"""`hub plugins install`: from a registry into a folder of its own, and live at once."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context
from hub.cli.plugins.live import INDEX, clear, explained, place_of, read, serving, show_outcome, step, take_up

if TYPE_CHECKING:
    from hub.registry.index import Listed, Release


@click.command()
@click.argument("requirement", metavar="NAME[==VERSION]")
@INDEX
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@click.pass_obj
def install(context: Context, requirement: str, index: str | None, as_json: bool) -> None:
    """Install a plugin from the registry with the libraries that it needs; the running hub takes it up.

    It gets a folder of its own in the first of hub.plugin_dirs and is enabled by being there. What the hub
    and its plugins use already is never replaced: a plugin that needs another version of it is refused. If
    anything fails, nothing is changed.
    """
    from hub.registry.installed import installed

    name, _, version = requirement.partition("==")
    place = place_of(context, index)
    hub = context.config().settings.hub
    with explained(hub):
        plugin = read(place).plugin(name)
        release = plugin.release(version) if version else plugin.newest(platform.python_version())
        there = installed(hub.plugin_dirs).get(plugin.name)
    if there is not None and not version:
        raise click.ClickException(
            f"{plugin.name} {there.version} is installed; run: hub plugins upgrade {plugin.name}"
        )
    place_release(context, place, plugin, release, as_json)


def place_release(context: Context, place: str, plugin: Listed, release: Release, as_json: bool) -> None:
    """Put a release where the plugin belongs, in place of another one; all or nothing."""
    from hub.registry import folder, installed, resolving
    from hub.registry.reading import base_of

    hub = context.config().settings.hub
    with explained(hub):
        if reason := installed.where_else(plugin.name, hub.plugin_dirs):
            raise click.ClickException(reason)
        before = installed.installed(hub.plugin_dirs).get(plugin.name)
        parent = before.location.parent if before else installed.the_folder(hub.plugin_dirs)
        target = parent / f"{plugin.name}-{release.version}"
        folder.prepare(parent)
        with folder.changing(parent) as staging:
            old = installed.folders_of(plugin.name, hub.plugin_dirs)
            there = installed.present(hub.plugin_dirs, without=old)
            step(
                f"resolving {plugin.name} {release.version} against {len(there)} distributions that are there"
            )
            needed = resolving.resolve(plugin, release, base_of(place), there)
            step(f"fetching {', '.join(map(str, needed))}")
            resolving.stage(needed, staging)
            with ExitStack() as undo:
                undo.callback(folder.place(staging, target))
                for each in old:
                    undo.callback(folder.hide(each, plugin.name))
                report = take_up(context, undo)
            clear(context, report, old)
    facts = {
        "name": plugin.name,
        "version": release.version,
        "before": before.version if before else None,
        "folder": str(target),
        "distributions": [str(each) for each in needed],
        "report": report,
    }
    done = f"upgraded from {before.version}" if before else "installed"
    lines = [f"{plugin.name} {release.version} {done} in {target}"]
    if report and serving(context, plugin.name) is None:
        lines.append(f"it does not run: [hub] plugins says so; run: hub plugins enable {plugin.name}")
    show_outcome(facts, lines, as_json)
