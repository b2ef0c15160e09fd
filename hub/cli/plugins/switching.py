"""What enable and disable share: one edit of the configuration, shown, taken up or undone."""

from __future__ import annotations

from contextlib import ExitStack

import click

from hub.cli.context import Context
from hub.cli.plugins.live import change, explained, show_diff, show_outcome, take_up


def switch(context: Context, name: str, as_json: bool, *, on: bool) -> None:
    """Have a plugin run, or not."""
    from hub.config import edit as editing
    from hub.config.key import suggestion
    from hub.loading.catalogue import scan
    from hub.loading.drivers import chosen

    config = context.config()
    with explained(config.settings.hub):
        sources = scan(config.settings.hub.plugin_dirs).sources
    if name not in sources:
        hint = suggestion(name, sources)
        raise click.ClickException(
            f"there is no plugin '{name}' here. {hint}\nA registry may have it: hub plugins search {name}"
        )
    drives = [service for service, driver in chosen(config.settings.services).items() if driver == name]
    if drives and not on:
        raise click.ClickException(
            f"{name} fills {', '.join(drives)}: choose another driver in [services] instead"
        )
    word = "enabled" if on else "disabled"
    with explained(config.settings.hub):
        edit_of = editing.enabled if on else editing.disabled
        edit = edit_of(config, name, watched=sources[name].watched)
        if edit is None:
            click.echo(f"{name} is {word} already")
            return
        if not as_json:
            show_diff([edit])
        with ExitStack() as undo:
            change([edit], undo)
            report = take_up(context, undo)
    facts = {"name": name, "enabled": on, "file": str(edit.path), "diff": edit.diff, "report": report}
    show_outcome(facts, [f"{name} is {word}"], as_json)
