"""Greylisting: a sender whom nobody knows is put off once, and taken in when it comes back (RFC 6647).

What is known of a client's network, a sender's domain and a recipient is one key in `plugin.kv`:

    nothing ─► "waiting since T" ─ comes back after the delay ─► "passed at T" ─ unused for long ─► nothing

A network from which enough of them have passed is let in altogether.
"""

import hashlib
import ipaddress
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from hub import (
    Address,
    Defer,
    Duration,
    Envelope,
    Network,
    Networks,
    Plugin,
    Session,
    StashKey,
    Verdict,
    hookimpl,
    host_address,
)

DAY: Final = 86400.0


class Settings(BaseModel):
    """[plugins.greylist]: for how long, and who is spared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay: Duration = Field(default=300.0, gt=0, description="Until then the same sender is put off again.")
    retry_within: Duration = Field(
        default=2 * DAY, gt=0, description="Who comes back later than this is new again."
    )
    keep: Duration = Field(
        default=35 * DAY, gt=DAY, description="How long who passed is known, after its last mail."
    )
    auto_allow: int = Field(
        default=5, ge=0, description="Passes after which a network is let in altogether; 0 for never."
    )
    ipv4_prefix: int = Field(
        default=24, ge=8, le=32, description="An IPv4 client is its network of this length."
    )
    ipv6_prefix: int = Field(
        default=64, ge=16, le=128, description="An IPv6 client is its network of this length."
    )
    exempt: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="Clients in these networks are never put off."
    )
    exempt_recipients: tuple[str, ...] = Field(
        default=(),
        description="Recipients whose mail is never put off: user@domain, or @domain for all of one.",
    )


EXEMPT = StashKey[Networks]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Read the networks once."""
    plugin.stash[EXEMPT] = Networks(plugin.settings(Settings).exempt)


@hookimpl
async def smtp_rcpt(
    plugin: Plugin, session: Session, envelope: Envelope, recipient: Address
) -> Verdict | None:
    """Put off a sender of whom nothing is known."""
    settings = plugin.settings(Settings)
    if session.identity is not None or session.protocol != "smtp" or _spared(settings, recipient):
        return None
    client = host_address(session.peer[0])
    if client is None or session.peer[0] in plugin.stash[EXEMPT]:
        return None
    length = settings.ipv4_prefix if client.version == 4 else settings.ipv6_prefix
    network = str(ipaddress.ip_network((client, length), strict=False))
    if settings.auto_allow and await _is_allowed(plugin, settings, network):
        return None
    sender = envelope.reverse_path.domain if envelope.reverse_path else "<>"
    left = await _wait(plugin, settings, _key("try", network, sender, str(recipient).lower()), network)
    return Defer("4.7.1", f"greylisted, please try again in {left:.0f} seconds") if left > 0 else None


async def _wait(plugin: Plugin, settings: Settings, key: str, network: str) -> float:
    """Seconds for which the sender is put off; 0 when it has passed."""
    now = plugin.clock.time()
    known = await plugin.kv.get(key)
    if known is None:
        # Of two connections at once the first one's time counts.
        await plugin.kv.compare_and_set(key, None, b"waiting %.0f" % now, expires=settings.retry_within)
        return settings.delay
    state, since = known.split()
    if state == b"waiting":
        left = settings.delay - (now - float(since))
        if left > 0:
            return max(left, 1.0)
        if await plugin.kv.compare_and_set(key, known, b"passed %.0f" % now, expires=settings.keep):
            await _add_pass(plugin, settings, network)
    elif now - float(since) > DAY:  # once a day is often enough to be remembered
        await plugin.kv.set(key, b"passed %.0f" % now, expires=settings.keep)
    return 0.0


async def _is_allowed(plugin: Plugin, settings: Settings, network: str) -> bool:
    key = _key("net", network)
    known = await plugin.kv.get(key)
    if known is None:
        return False
    passes, since = known.split()
    if int(passes) < settings.auto_allow:
        return False
    now = plugin.clock.time()
    if now - float(since) > DAY:
        await plugin.kv.set(key, b"%s %.0f" % (passes, now), expires=settings.keep)
    return True


async def _add_pass(plugin: Plugin, settings: Settings, network: str) -> None:
    key, stored = _key("net", network), False
    while not stored:
        known = await plugin.kv.get(key)
        passes = 1 + (int(known.split()[0]) if known else 0)
        value = b"%d %.0f" % (passes, plugin.clock.time())
        stored = await plugin.kv.compare_and_set(key, known, value, expires=settings.keep)


def _spared(settings: Settings, recipient: Address) -> bool:
    whole = str(recipient).lower()
    return any(each.lower() in (whole, f"@{recipient.domain}") for each in settings.exempt_recipients)


def _key(kind: str, *parts: str) -> str:
    """A key of bounded length that names nobody."""
    return f"{kind}:{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=16).hexdigest()}"
