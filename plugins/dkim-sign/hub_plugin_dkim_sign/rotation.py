"""How keys come and go: made, published, used once DNS has them, retired when nobody needs them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Literal

from hub import Dns, DnsTrouble, Plugin, SigningKey, TxtChange, new_signing_key, update_dns
from hub_plugin_dkim_sign.ring import Key, Ring, Rings, State, moved
from hub_plugin_dkim_sign.settings import Settings


async def rotate(plugin: Plugin, rings: Rings, domain: str) -> Ring:
    """Two new keys that wait for DNS, unless some do already; they are published where DNS takes updates.

    OSError if it does not take this one: the keys wait nevertheless.
    """
    bits = plugin.settings(Settings).rsa_bits
    made = [await asyncio.to_thread(new_signing_key, "rsa", bits), new_signing_key("ed25519")]
    ring = await rings.change(domain, partial(_joined, made=made, now=plugin.clock.time()))
    await publish(plugin, domain, [key for key in ring if key.state == "waiting"])
    return ring


async def publish(plugin: Plugin, domain: str, keys: Sequence[Key]) -> None:
    """Put the records of keys into DNS. OSError."""
    await _tell(plugin, domain, [TxtChange(key.name(domain), key.record, alone=True) for key in keys])


async def _tell(plugin: Plugin, domain: str, changes: Sequence[TxtChange]) -> None:
    update = plugin.settings(Settings).update
    if update is not None and changes:
        await update_dns(update, await _zone(plugin.dns, domain), changes)


async def _zone(dns: Dns, domain: str) -> str:
    """The zone that the domain's records are in: the nearest name above with an SOA. OSError."""
    labels = domain.split(".")
    try:
        for at in range(len(labels) - 1):
            name = ".".join(labels[at:])
            if (await dns.query(name, "SOA")).records:
                return name
    except DnsTrouble as trouble:
        raise OSError(f"DNS does not say in which zone {domain} is: {trouble}") from trouble
    return domain


async def advance(plugin: Plugin, rings: Rings, domain: str) -> Ring:
    """One step, if it is time for one: to new keys that DNS has, and away from old ones after the overlap."""
    now, overlap = plugin.clock.time(), plugin.settings(Settings).overlap
    ring = await rings.read(domain)
    waiting = [key for key in ring if key.state == "waiting"]
    if waiting and all([await is_published(plugin, domain, key) for key in waiting]):
        selectors = {key.selector for key in waiting}
        ring = await rings.change(domain, partial(_switched, to=selectors, now=now))
        plugin.log.info("new keys sign", domain=domain, selectors=sorted(selectors))
    else:
        await publish(plugin, domain, waiting)  # once more, in case DNS took none before
    if any(key.state == "retiring" and now - key.since >= overlap for key in ring):
        ring = await retire(plugin, rings, domain, before=now - overlap)
    return ring


async def retire(plugin: Plugin, rings: Rings, domain: str, before: float) -> Ring:
    """Take the records of keys that do not sign any more since that time out of DNS, and forget them.

    OSError if DNS does not take it: they are still to be retired then, and tried again.
    """
    ring = await rings.read(domain)
    old = [key for key in ring if key.state == "retiring" and key.since <= before]
    await _tell(plugin, domain, [TxtChange(key.name(domain), "", present=False, alone=True) for key in old])
    selectors = {key.selector for key in old}
    return await rings.change(domain, partial(_retired, selectors=selectors, now=plugin.clock.time()))


async def is_published(plugin: Plugin, domain: str, key: Key) -> bool:
    """Whether DNS says the key's record; not while it does not answer."""
    try:
        answer = await plugin.dns.query(key.name(domain), "TXT")
    except (DnsTrouble, ValueError):
        return False
    texts = (b"".join(getattr(record, "strings", ())).decode("ascii", "replace") for record in answer.records)
    return any("".join(text.split()) == "".join(key.record.split()) for text in texts)


async def advance_all(plugin: Plugin, rings: Rings) -> None:
    """The timer's work; what fails for one domain is said, and tried again with the next round."""
    for domain in await rings.all():
        try:
            await advance(plugin, rings, domain)
        except OSError as error:
            plugin.log.warning("DNS cannot be changed", domain=domain, reason=str(error))


def _joined(ring: Ring, made: Sequence[SigningKey], now: float) -> Ring:
    if any(key.state == "waiting" for key in ring):
        return ring
    taken = {key.selector for key in ring}
    day = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d")
    letters: dict[str, Literal["r", "e"]] = {"rsa": "r", "ed25519": "e"}
    for turn in count(1):
        selectors = [f"h{day}{'' if turn == 1 else f'-{turn}'}{letters[key.kind]}" for key in made]
        if not taken & set(selectors):
            break
    new = [
        Key(selector, key.kind, "waiting", now, key.record, key.pem)
        for selector, key in zip(selectors, made, strict=True)
    ]
    return [*ring, *new]


def _switched(ring: Ring, to: set[str], now: float) -> Ring:
    """The named ones sign, and those that did so far only stay in DNS."""
    old = [key for key in ring if key.selector not in to]
    new = [key for key in ring if key.selector in to]
    return [*moved(old, {"active": "retiring"}, now), *moved(new, {"waiting": "active"}, now)]


def _retired(ring: Ring, selectors: set[str], now: float) -> Ring:
    leaving: dict[State, State] = {"retiring": "retired"}
    return [moved([key], leaving, now)[0] if key.selector in selectors else key for key in ring]
