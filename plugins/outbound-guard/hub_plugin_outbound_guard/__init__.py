"""Stops accounts that send as if somebody else had their password.

    what an account sends, and from where ─► counts, in the store ─► too many: `account_alarmed`, and held

All workers and nodes count together. What is counted is only mail for elsewhere, of who has logged in.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from hub import (
    AccountRef,
    Address,
    Defer,
    Duration,
    Identity,
    ImapAnswer,
    ImapCommand,
    Plugin,
    Session,
    StashKey,
    Verdict,
    hookimpl,
    host_address,
)
from hub_plugin_outbound_guard.held import Held, digest, hold, is_held, releases

What: TypeAlias = Literal["strangers", "domains", "networks", "bounces"]
Limit: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]

HELD: Final = Defer("4.7.1", "Your account sends unusual mail and is held; ask the operator")
SENTENCES: Final[dict[What, str]] = {
    "strangers": "it has written to {count} addresses for the first time within {window}",
    "domains": "it has written to {count} domains within {window}",
    "networks": "it has sent from {count} networks within {window}",
    "bounces": "{count} of the addresses that it wrote to have refused its mail within {window}",
}
COUNTED = StashKey[bool]()
"""The network of this session is counted."""


class Settings(BaseModel):
    """[plugins.outbound-guard]: what of one account is too much; 0 counts nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Annotated[Duration, Field(ge=60, le=7 * 86400)] = Field(
        default=3600.0, description="How long it is counted before all begins anew."
    )
    strangers: Limit = Field(
        default=100, description="Addresses elsewhere that the account had not written to before."
    )
    domains: Limit = Field(default=60, description="Different domains elsewhere.")
    networks: Limit = Field(
        default=6, description="Different networks that it sends from: /16 of IPv4, /32 of IPv6."
    )
    bounces: Limit = Field(default=25, description="Recipients elsewhere that refused its mail for good.")
    known: Annotated[Duration, Field(ge=3600)] = Field(
        default=180 * 86400.0, description="How long an address that was written to is no stranger."
    )
    action: Literal["hold", "tell"] = Field(
        default="hold", description="Defer its mail for elsewhere, or only tell that it is too much."
    )
    hold: Annotated[Duration, Field(ge=60)] = Field(
        default=4 * 3600.0, description="How long it is held, and not told of again."
    )
    exempt: tuple[str, ...] = Field(
        default=(), description="Names of accounts that send much, such as a newsletter's."
    )


@hookimpl
async def smtp_rcpt(plugin: Plugin, session: Session, recipient: Address) -> Verdict | None:
    """Count, and defer what an account that is held sends elsewhere."""
    identity, settings = session.identity, plugin.settings(Settings)
    if identity is None or identity.login in settings.exempt:
        return None
    if not recipient.domain or await plugin.directory.is_local(recipient.domain):
        return None
    holds = settings.action == "hold"
    if holds and await is_held(plugin, identity.account):
        return HELD
    await _count_network(plugin, session, identity)
    await _count_recipient(plugin, identity, recipient)
    return HELD if holds and await is_held(plugin, identity.account) else None


@hookimpl
def provide_imap_commands() -> list[ImapCommand]:
    """A mail client can ask why mail does not go: whoever is held is told so by the relay alone otherwise."""
    return [ImapCommand("XSENDSTATE", _send_state, capability="XSENDSTATE")]


async def _send_state(plugin: Plugin, session: Session, arguments: tuple[object, ...]) -> ImapAnswer:
    if arguments or session.identity is None:
        return ImapAnswer("XSENDSTATE takes nothing", condition="BAD")
    held = plugin.settings(Settings).action == "hold" and await is_held(plugin, session.identity.account)
    return ImapAnswer("That is how it stands", untagged=(f"XSENDSTATE {'HELD' if held else 'FREE'}",))


@hookimpl
async def message_bounced(plugin: Plugin, sender: AccountRef | None, reverse_path: Address | None) -> None:
    """Count what nobody takes, under the address that it was sent as."""
    settings = plugin.settings(Settings)
    if sender is None or reverse_path is None or not settings.bounces:
        return
    if str(reverse_path) not in settings.exempt:
        await _count(plugin, sender, str(reverse_path), "bounces")


async def _count_network(plugin: Plugin, session: Session, identity: Identity) -> None:
    if session.stash.get(COUNTED, False):
        return
    session.stash[COUNTED] = True
    address = host_address(session.peer[0])
    if address is not None and not address.is_loopback:
        network = ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False)
        await _count_new(plugin, identity, "networks", str(network))


async def _count_recipient(plugin: Plugin, identity: Identity, recipient: Address) -> None:
    await _count_new(plugin, identity, "domains", recipient.ascii_domain.lower())
    await _count_new(plugin, identity, "strangers", str(recipient).lower())


async def _count_new(plugin: Plugin, identity: Identity, what: What, value: str) -> None:
    """Count a value that has not been seen of this account for a while."""
    settings = plugin.settings(Settings)
    if not getattr(settings, what):
        return
    key = f"{what}/{digest(identity.account)}/{hashlib.blake2b(value.encode(), digest_size=12).hexdigest()}"
    if await plugin.kv.get(key) is not None:
        return
    lasts = settings.known if what == "strangers" else settings.window
    if await plugin.kv.compare_and_set(key, None, b"1", expires=lasts):
        await _count(plugin, identity.account, identity.login, what)


async def _count(plugin: Plugin, account: AccountRef, login: str, what: What) -> None:
    settings = plugin.settings(Settings)
    key = f"count/{what}/{digest(account)}/{await releases(plugin, account)}"
    count = plugin.kv.count(key, window=settings.window)
    if count <= getattr(settings, what):
        return
    text = SENTENCES[what].format(count=count, window=_shown(settings.window))
    held = Held(account.tenant, account.key, login, what, text, plugin.clock.time(), settings.hold)
    if await hold(plugin, held):
        plugin.log.warning("account alarmed", account=login, reason=text, held=settings.action == "hold")
        await plugin.call("account_alarmed", account=account, name=login, what=what, text=text)


def _shown(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"
