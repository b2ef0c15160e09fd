"""`hub plugins show`: what a registry says of one plugin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hub.cli.context import Context, show_json
from hub.cli.plugins.live import INDEX, explained, place_of, read

if TYPE_CHECKING:
    from hub.registry.index import Listed


@click.command()
@click.argument("name")
@INDEX
@click.option("--json", "as_json", is_flag=True, help="The plugin as JSON.")
@click.pass_obj
def show(context: Context, name: str, index: str | None, as_json: bool) -> None:
    """Say what the registry knows of a plugin: releases, tier and checks, hooks, settings."""
    with explained():
        plugin = read(place_of(context, index)).plugin(name)
    if as_json:
        show_json(plugin.model_dump(mode="json"))
    else:
        click.echo("\n".join(_lines(plugin)))


def _lines(plugin: Listed) -> Iterator[str]:
    yield f"{plugin.name}: {plugin.summary}"
    yield f"  distribution: {plugin.distribution}, {plugin.licence or 'no licence named'}"
    yield f"  releases:     {', '.join(release.version for release in plugin.releases) or 'none'}"
    yield f"  tags:         {', '.join(plugin.tags) or 'none'}"
    yield f"  answers:      {', '.join((*plugin.drives, *plugin.hooks)) or 'nothing'}"
    yield f"  tier:         {plugin.tier}"
    for outcome in plugin.outcomes:
        word = {True: "passed", False: "failed", None: "not run"}[outcome.passed]
        yield f"    {word:8} {outcome.check} ({outcome.tier})"
        yield from (f"             {said}" for said in outcome.said)
    if plugin.settings:
        yield f"  settings, in [plugins.{plugin.name}]:"
    for setting in plugin.settings:
        default = "required" if setting.required else f"default {setting.default or 'none'}"
        yield f"    {setting.key}: {setting.type}, {default}"
        if setting.meaning:
            yield f"        {setting.meaning}"
