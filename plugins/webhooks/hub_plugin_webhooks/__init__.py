"""Tells web servers what happens to mail, at least once, in the order of the change log.

    change log ─► events ─► outbox, a table ─► a courier for each endpoint ─► POST, signed
                                                                          └─► again later, or a dead letter

The follower writes every event into the outbox before its position in the log moves on, and a courier removes
it only when the endpoint has said 2xx: who is killed anywhere between the two begins there again.
"""

from hub import Plugin, hookimpl
from hub_plugin_webhooks.settings import Endpoint, Settings
from hub_plugin_webhooks.work import Work

__all__ = ["Endpoint", "Settings", "plugin_start"]


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Collecting and sending each happen on one worker of the hub at a time."""
    work = Work(plugin, plugin.settings(Settings))
    await work.open()
    plugin.follow("events", work.collect, from_now=True)
    plugin.every(1, work.send, once=True)
