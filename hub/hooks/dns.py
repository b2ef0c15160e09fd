"""Records are put into DNS, wherever the zone of a domain is kept."""

from __future__ import annotations

from hub.hooks.markers import FIRST, hookspec
from hub.hooks.plugin import Plugin


@hookspec(FIRST, timeout=120)
async def publish_txt(plugin: Plugin, name: str, text: str, present: bool) -> bool | None:
    """Put a TXT record into DNS, or take it out again: the answer to a challenge of ACME (RFC 8555 §8.4).

    `name` is that of the record, in lower case without the last dot, such as `_acme-challenge.example.org`;
    where it is an alias (CNAME), the name that it leads to. `present` says whether the record with this
    `text` has to be there; others of that name are left alone. Return True once whoever asks the zone's
    servers finds it so, None for zones that you do not keep: then the next plugin is asked. The plugin
    `acme` calls each implementation by itself, for certificates with `challenge = "dns-01"`, and puts the
    order off with what was said if one fails or none has the zone. Taking out what is not there is no
    failure.

        @hookimpl
        async def publish_txt(name, text, present):
            if name.endswith(".example.org"):
                return await provider.change(name, "TXT", text, present)
    """
