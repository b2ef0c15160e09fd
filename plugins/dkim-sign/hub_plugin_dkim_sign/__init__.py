"""DKIM signatures on what leaves, ARC seals on what is passed on, and the keys for both."""

from __future__ import annotations

from functools import partial

from hub import AccountRef, Address, Message, Plugin, hookimpl
from hub_plugin_dkim_sign.ring import RINGS, Rings
from hub_plugin_dkim_sign.rotation import advance_all
from hub_plugin_dkim_sign.settings import Settings
from hub_plugin_dkim_sign.signing import seal, sign, signer

__all__ = ["Settings", "plugin_start", "rewrite_relayed"]

EVERY = 60.0


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Look after the keys once a minute, on one worker of one node."""
    rings = plugin.stash[RINGS] = Rings(plugin.kv, plugin.clock)
    plugin.every(EVERY, partial(advance_all, plugin, rings), once=True)


@hookimpl
async def rewrite_relayed(
    plugin: Plugin, sender: AccountRef | None, reverse_path: Address | None, message: Message
) -> Message | None:
    """Sign what is ours, and seal what is not."""
    domain = await signer(plugin, sender, reverse_path, message)
    if domain is not None:
        lines = await sign(plugin, domain, message)
    elif sender is None:
        lines = await seal(plugin, message)
    else:
        lines = ""
    return message.under(lines) if lines else None
