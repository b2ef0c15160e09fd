"""What login and directory share, opened by whichever comes first."""

from __future__ import annotations

import asyncio
from typing import Final

from hub import Plugin, StashKey
from hub_plugin_auth_ldap.lookup import Lookup
from hub_plugin_auth_ldap.servers import Servers, tls_context
from hub_plugin_auth_ldap.settings import Settings

SERVERS: Final[StashKey[Servers]] = StashKey()
LOOKUP: Final[StashKey[Lookup]] = StashKey()


async def open_servers(plugin: Plugin) -> None:
    """Put them into the stash, to be closed with the scope; nothing is asked yet. ValueError without CAs."""
    if SERVERS in plugin.stash:
        return
    settings = plugin.settings(Settings)
    context = await asyncio.to_thread(tls_context, settings)
    servers = await plugin.enter(Servers(plugin, settings, context))
    plugin.stash[SERVERS] = servers
    plugin.stash[LOOKUP] = Lookup(settings, servers, plugin.log)
