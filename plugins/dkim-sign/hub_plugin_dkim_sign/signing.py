"""What is put on top of a message that leaves."""

from __future__ import annotations

from hub import (
    AccountRef,
    Address,
    Message,
    Plugin,
    addresses,
    hash_body,
    seal_arc,
    sign_dkim,
    verify_arc,
)
from hub_plugin_dkim_sign.ring import RINGS
from hub_plugin_dkim_sign.rotation import rotate
from hub_plugin_dkim_sign.settings import Settings


async def signer(
    plugin: Plugin, sender: AccountRef | None, reverse_path: Address | None, message: Message
) -> str | None:
    """The domain that answers for a message: From's, if it is ours and whoever wrote it may use it."""
    author = _author(message)
    if author is None:
        return None
    if sender is None:
        # What the hub wrote itself has passed through no server, and so not through ours.
        own = reverse_path is None and "Received" not in message.headers
        return author.domain if own and author.domain == plugin.hostname.lower() else None
    settings = plugin.settings(Settings)
    if settings.domains and author.domain not in settings.domains:
        return None
    if not await plugin.directory.may_send_as(sender, author):
        return None
    return author.domain


async def sign(plugin: Plugin, domain: str, message: Message) -> str:
    """A signature by each key of the domain that signs now; the first mail of a domain makes its keys."""
    keys = await plugin.stash[RINGS].signing(domain)
    if not keys:
        await begin(plugin, domain)
        return ""
    [body] = await hash_body(message)
    now = plugin.clock.time()
    return "".join(sign_dkim(message, key, domain, selector, now, body) for selector, key in keys)


async def seal(plugin: Plugin, message: Message) -> str:
    """One more set of ARC, by RSA, which all who verify can read."""
    settings = plugin.settings(Settings)
    domain = (settings.sealer or plugin.hostname).lower()
    if not settings.seal:
        return ""
    keys = [each for each in await plugin.stash[RINGS].signing(domain) if each[1].kind == "rsa"]
    if not keys:
        await begin(plugin, domain)
        return ""
    now = plugin.clock.time()
    chain = await verify_arc(message, plugin.dns, now)
    if chain.temporary:  # DNS is silent: saying that the chain is broken would end it for good
        return ""
    [body] = await hash_body(message)
    selector, key = keys[-1]
    found = _found(plugin, message)
    return seal_arc(message, key, domain, selector, now, body, chain=chain, auth_results=found)


async def begin(plugin: Plugin, domain: str) -> None:
    """Make the first keys of a domain, once; they sign from when DNS has them."""
    if await plugin.stash[RINGS].read(domain):
        return
    try:
        await rotate(plugin, plugin.stash[RINGS], domain)
    except OSError as error:  # the keys are there; the next round publishes them
        plugin.log.warning("DNS cannot be changed", domain=domain, reason=str(error))
    plugin.log.warning("mail of a domain goes unsigned until DNS has its keys", domain=domain)


def _author(message: Message) -> Address | None:
    """Who From names, if it names one alone."""
    fields = message.headers.raw_all("From")
    named = [each for each in addresses(fields[0]) if not each.is_group_mark] if len(fields) == 1 else []
    if len(named) != 1:
        return None
    local, host = named[0].local or b"", named[0].host or b""
    try:
        return Address(local.decode(), host.decode().lower()) if local and host else None
    except UnicodeDecodeError:
        return None


def _found(plugin: Plugin, message: Message) -> str:
    """What we found when the message came, as the field that says so has it.

    What stands below our own Received came with the message, whoever it claims to be of.
    """
    hostname = plugin.hostname.lower()
    for name, value in message.headers:
        if name.lower() == b"received":
            break
        text = value.decode("utf-8", "replace").strip()
        claimed = text.partition(";")[0].strip().lower()
        if name.lower() == b"authentication-results" and claimed == hostname:
            return text
    return f"{hostname}; none"
