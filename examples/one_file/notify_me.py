"""Append a line to deliveries.txt for every message delivered, and miss none, not even in a crash."""

import asyncio

from hub import ChangeKind, hookimpl


@hookimpl
async def plugin_start(plugin):
    path = plugin.data_dir / "deliveries.txt"

    def append(lines):
        with path.open("a") as file:
            file.writelines(lines)

    async def delivered(entries):
        news = [entry for entry in entries if entry.kind is ChangeKind.DELIVERED]
        lines = [f"{entry.message_id} {entry.account.key} {entry.name}\n" for entry in news]
        await asyncio.to_thread(append, lines)

    plugin.follow("deliveries", delivered)
