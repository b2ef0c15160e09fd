"""From the change log into the outbox, and out of it."""

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Final

from hub import LogEntry, Plugin, Tables
from hub_plugin_webhooks import outbox
from hub_plugin_webhooks.courier import Courier
from hub_plugin_webhooks.events import events
from hub_plugin_webhooks.outbox import METADATA, NewEvent
from hub_plugin_webhooks.posting import Poster
from hub_plugin_webhooks.settings import Settings

AT_ONCE: Final = 200
"""Events that are written in one transaction."""


class Work:
    """What a worker does for all endpoints."""

    def __init__(self, plugin: Plugin, settings: Settings) -> None:
        self._plugin = plugin
        self._settings = settings
        self._couriers: list[Courier] = []

    async def open(self) -> None:
        """Nothing is sent yet. OSError."""
        plugin, settings = self._plugin, self._settings
        self._tables: Tables = await plugin.tables(METADATA)
        await plugin.kv.compare_and_set("store", None, secrets.token_hex(4).encode())
        self._store = (await plugin.kv.get("store") or b"").decode()
        for name, endpoint in settings.endpoints.items():
            poster = await plugin.enter(Poster(endpoint, plugin.version))
            self._couriers.append(Courier(plugin, self._tables, name, endpoint, poster, settings.hold))

    async def collect(self, entries: Sequence[LogEntry]) -> None:
        """Write down what the endpoints are to be told; durable when it returns."""
        rows: list[NewEvent] = []
        told = {kind for endpoint in self._settings.endpoints.values() for kind in endpoint.events}
        for entry in entries:
            if entry.kind.value not in told:
                continue
            async for event in events(self._plugin, self._store, entry):
                for name, endpoint in self._settings.endpoints.items():
                    if endpoint.wants(event.kind, event.about):
                        body = event.body(headers=endpoint.headers)
                        rows.append(NewEvent(name, event.id, event.kind, event.lane, body, event.traceparent))
                if len(rows) >= AT_ONCE:
                    await self._keep(rows)
                    rows = []
        if rows:
            await self._keep(rows)

    async def send(self) -> None:
        """For ever: a courier for each endpoint."""
        async with asyncio.TaskGroup() as group:
            for courier in self._couriers:
                group.create_task(courier.run())

    async def _keep(self, rows: Sequence[NewEvent]) -> None:
        now, most = self._plugin.clock.time(), self._settings.max_events
        dropped = await self._tables.write(partial(outbox.add, rows=rows, now=now, most=most))
        if dropped:
            self._plugin.log.error("the oldest dead letters had to go", count=dropped)
        for courier in self._couriers:
            courier.wake()
