"""Mark the first mail from a sender."""

import hashlib

from pydantic import BaseModel, Field

from hub import Duration, Envelope, Finding, Plugin, hookimpl


class Settings(BaseModel):
    """[plugins.first-contact]"""

    remember: Duration = Field(default=365 * 86400.0, description="How long a sender stays known.")


@hookimpl
async def check_message(plugin: Plugin, envelope: Envelope) -> Finding | None:
    """The key-value store is shared by all workers and survives a restart."""
    sender = envelope.reverse_path
    if sender is None:
        return None
    # Keys have at most 255 octets, addresses may be longer.
    key = hashlib.sha256(str(sender).lower().encode()).hexdigest()
    known = await plugin.kv.get(key) is not None
    await plugin.kv.set(key, b"", expires=plugin.settings(Settings).remember)
    return None if known else Finding(headers=(("X-First-Contact", "yes"),))
