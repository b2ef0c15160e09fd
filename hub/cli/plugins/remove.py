"""`hub plugins remove`: drained, unloaded, and gone from the disk."""

from __future__ import annotations

from contextlib import ExitStack

import click

from hub.cli.context import Context
from hub.cli.plugins.live import change, clear, explained, show_diff, show_outcome, take_up


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="What was done as JSON.")
@click.pass_obj
def remove(context: Context, name: str, as_json: bool) -> None:
    """Remove a plugin that was installed: the hub drains and unloads it, then its folder is removed.

    What the configuration says of it, in [hub] plugins and in its table, is removed too, and shown.
    """
    from hub.config.edit import forgotten
    from hub.registry import folder
    from hub.registry.installed import folders_of, installed, where_else

    config = context.config()
    dirs = config.settings.hub.plugin_dirs
    with explained(config.settings.hub):
        source = installed(dirs).get(name)
        if source is None:
            raise click.ClickException(where_else(name, dirs) or f"{name} is not installed")
        edits = forgotten(config, name)
        folder.prepare(source.location.parent)
        if not as_json:
            show_diff(edits)
        with folder.changing(source.location.parent):
            old = folders_of(name, dirs)
            with ExitStack() as undo:
                change(edits, undo)
                for each in old:
                    undo.callback(folder.hide(each, name))
                report = take_up(context, undo)
            clear(context, report, old)
    facts = {
        "name": name,
        "version": source.version,
        "folder": str(source.location),
        "diff": "".join(edit.diff for edit in edits),
        "report": report,
    }
    show_outcome(facts, [f"{name} {source.version} is removed from {source.location}"], as_json)
