"""A plugin comes and goes."""

from __future__ import annotations

from hub.hooks.markers import OWN, hookspec
from hub.hooks.plugin import Plugin


@hookspec(OWN, timeout=30)
async def plugin_start(plugin: Plugin) -> None:
    """Open what the plugin needs: read settings, connect, start timers.

    Runs once for a new scope, before it sees any mail; whoever did not change is not started again. Raise
    to refuse: the whole reload is undone and the old generation goes on. What is opened through
    `plugin.enter` is closed with the scope.

        SEEN = StashKey[set[str]]()

        @hookimpl
        async def plugin_start(plugin):
            plugin.stash[SEEN] = set()
            plugin.every(3600, plugin.stash[SEEN].clear)
    """


@hookspec(OWN)
def plugin_handover(plugin: Plugin, old: Plugin) -> None:
    """Take over what the plugin's last version has in memory, directly before the swap.

    A plain function, called on the event loop: move references, do not wait. `old` is the scope that goes.
    Keys of a stash are found by name, so the old version's `SEEN` is read with the new module's `SEEN`;
    instances of classes that the old module defined are not found.
    """
