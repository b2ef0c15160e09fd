"""What `hub dns` should know: the records of a domain's keys."""

from __future__ import annotations

from collections.abc import Sequence

from hub import CommandContext, DnsRecord
from hub_plugin_dkim_sign.ring import Rings


async def records(context: CommandContext, domain: str) -> Sequence[DnsRecord]:
    """Those of all keys that sign, will sign, or have signed what is under way."""
    async with context.open_plugin("dkim-sign") as plugin:
        ring = await Rings(plugin.kv, plugin.clock).read(domain)
    return [
        DnsRecord(key.name(domain), "TXT", key.record, f"DKIM: a key that is {key.state}")
        for key in ring
        if key.state != "retired"
    ]
