"""Sends no mail to addresses that are known to be bad, so that the servers that refuse it think well of us.

message_bounced, bounce_received ─► times of refusals for good ─► enough of them: refused here for a while
hub suppression add ───────────────────────────────────────────────────────────────────┘
resolve_route ◄─ Reject, and the sender gets the report at once
"""

from pydantic import BaseModel, ConfigDict, Field

from hub import (
    AccountRef,
    Address,
    BounceClass,
    Duration,
    Envelope,
    Plugin,
    Reject,
    hookimpl,
)
from hub_plugin_suppression_list import records
from hub_plugin_suppression_list.records import Entry

__all__ = ["Settings"]

DAY = 86400.0


class Settings(BaseModel):
    """[plugins.suppression-list]: what is too often, and for how long that counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bounces: int = Field(default=3, ge=1, le=100, description="So many refusals for good are too many.")
    within: Duration = Field(default=30 * DAY, gt=0, description="The time in which they are counted.")
    suppress_for: Duration = Field(
        default=14 * DAY, gt=0, description="How long no mail is sent to the address then; doubled each time."
    )
    longest: Duration = Field(default=180 * DAY, gt=0, description="The most that it is doubled to.")
    classes: tuple[BounceClass, ...] = Field(
        default=("inactive", "unknown-domain", "unknown-user"),
        description="Which refusals count: those that say that the address is bad.",
    )
    exempt: tuple[str, ...] = Field(
        default=(), description="Never suppressed: user@domain, or @domain for all of one."
    )


@hookimpl
async def message_bounced(
    plugin: Plugin, message_id: str, recipient: Address, host: str, code: int, text: str, bounce: BounceClass
) -> None:
    """Count it, and suppress the address once that is enough."""
    reason = f"{bounce}: {f'{host} said ' if host else ''}{text}"
    await _count(plugin, message_id, recipient, code, bounce, reason)


@hookimpl
async def bounce_received(
    plugin: Plugin, envelope: Envelope, recipient: Address, code: int, text: str, bounce: BounceClass
) -> None:
    """A server that had taken it says later that it could not be delivered: that counts as well."""
    reason = f"{bounce}: a report said {text or 'so'}"
    await _count(plugin, envelope.id, recipient, code, bounce, reason, returned=True)


async def _count(
    plugin: Plugin,
    message_id: str,
    recipient: Address,
    code: int,
    bounce: BounceClass,
    reason: str,
    *,
    returned: bool = False,
) -> None:
    settings = plugin.settings(Settings)
    if code < 500 or bounce not in settings.classes or is_exempt(settings, recipient):
        return
    now = plugin.clock.time()
    if await records.find(plugin.kv, recipient, now) is not None:
        return  # it was refused here
    known = await records.count(plugin.kv, recipient, now, message_id, settings.within, returned=returned)
    if known.bounces >= settings.bounces:
        seconds = min(settings.suppress_for * 2.0 ** min(known.times, 30), settings.longest)
        entry = Entry(str(recipient), now, now + seconds, reason[:300], by_hand=False)
        await records.suppress(plugin.kv, entry, known.times + 1)
        plugin.log.info("no more mail to an address", recipient=recipient, days=round(seconds / DAY, 1))


@hookimpl
async def message_sent(plugin: Plugin, recipient: Address) -> None:
    """A server has taken mail for it: it refuses none."""
    await records.forget_count(plugin.kv, recipient)


@hookimpl
async def resolve_route(
    plugin: Plugin, sender: AccountRef | None, reverse_path: Address | None, recipient: Address
) -> Reject | None:
    """Refuse what is suppressed, but no reports and nothing to a postmaster."""
    if sender is None and reverse_path is None:
        return None
    found = await records.find(plugin.kv, recipient, plugin.clock.time())
    if found is None or is_exempt(plugin.settings(Settings), recipient):
        return None
    if found.by_hand:
        return Reject("5.1.1", f"no mail is sent to this address: {shown(found.reason)}")
    return Reject("5.1.1", f"this address has refused mail again and again, lately as {shown(found.reason)}")


def is_exempt(settings: Settings, recipient: Address) -> bool:
    """Whether an address is never suppressed; a postmaster's is not (RFC 5321 §4.5.1)."""
    if recipient.local.lower() in ("postmaster", "abuse"):
        return True
    whole = str(recipient).lower()
    return any(each.lower() in (whole, f"@{recipient.domain}") for each in settings.exempt)


def shown(text: str) -> str:
    """What may stand in a reply: a few octets of one line."""
    line = "".join(each if " " <= each <= "~" else "?" for each in text)
    return line[:250] or "nobody said why"
