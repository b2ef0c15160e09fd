"""`hub plugins`: what is loaded, from where, and how it does."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import click

from hub.cli.context import Context, show_json
from hub.cli.lazy import LazyGroup

VERBS: Final = {
    "new": ("hub.cli.plugins.new:new", "Write a new plugin, with tests that pass."),
    "run": ("hub.cli.plugins.run:run", "Run a hub to try a plugin in, and print each call of it."),
    "test": ("hub.cli.plugins.test:test", "Run a plugin's tests."),
    "check": ("hub.cli.plugins.check:check", "Say whether a plugin is fit to be shared."),
    "rollback": ("hub.cli.plugins.rollback:rollback", "Go back to the plugins that served before these."),
    "search": ("hub.cli.plugins.search:search", "List what the registry has."),
    "show": ("hub.cli.plugins.show:show", "Say what the registry knows of one plugin."),
    "install": ("hub.cli.plugins.install:install", "Install one from the registry; it is live at once."),
    "upgrade": ("hub.cli.plugins.upgrade:upgrade", "Put the newest release in place of what is installed."),
    "remove": ("hub.cli.plugins.remove:remove", "Drain, unload and remove what was installed."),
    "enable": ("hub.cli.plugins.enable:enable", "Write one into [hub] plugins."),
    "disable": ("hub.cli.plugins.disable:disable", "Take one out of [hub] plugins."),
}

ON_DISK: Final = MappingProxyType(
    {
        "other": "what is on disk now is not what serves: refused, rolled back, or hub reload was not said",
        "gone": "it is no longer on disk",
    }
)


@click.group(cls=LazyGroup, verbs=VERBS, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="The plugins as JSON.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """Show the plugins of the running hub: source, version, generation, health, hooks, what is shadowed."""
    if ctx.invoked_subcommand is None:
        _show(ctx.obj, as_json)


def _show(context: Context, as_json: bool) -> None:
    described = context.ask("plugins")
    assert isinstance(described, list)
    if as_json:
        show_json(described)
        return
    from rich.text import Text

    from hub.cli.tables import show_table

    rows: list[tuple[str | Text, ...]] = []
    for plugin in described:
        source = Text(f"{plugin['kind']} {plugin['source']}")
        if said := ON_DISK.get(plugin["on_disk"]):
            source.append(f"\n{said}", "yellow")
        for worker, how in plugin.get("differs", {}).items():
            source.append(f"\nworker {worker}: {how}", "red")
        for path in plugin["shadowed"]:
            source.append(f"\nshadows {path}", "yellow")
        if answers := ", ".join(plugin["drives"] + plugin["hooks"]):
            source.append(f"\n{answers}", "dim")
        health = Text(plugin["health"], "" if plugin["health"] == "ok" else "red")
        rows.append((plugin["name"], plugin["version"], str(plugin["generation"]), health, source))
    show_table(("plugin", "version", "gen", "health", "source and hooks"), rows)
