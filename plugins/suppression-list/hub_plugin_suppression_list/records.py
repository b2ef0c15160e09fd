"""What is known of addresses, in `plugin.kv`: how often each was refused, and which are suppressed.

    count:<address>     the messages that it refused, with their times; how often it was suppressed before
    returned:<address>  the same of those that its server had taken, and has returned
    refused:<address>   until when, since when, why

A name that is too long for a key is a hash there; the entry itself has the address in full.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hub import Address, Kv

REMEMBERED = 365 * 86400.0
"""Seconds for which it is known how often an address was suppressed."""
MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A suppressed address; since, until: seconds since the epoch. until: None is for ever."""

    address: str
    since: float
    until: float | None
    reason: str
    by_hand: bool


@dataclass(frozen=True, slots=True)
class _State:
    """messages: when each was refused. times: how often the address was suppressed before."""

    messages: dict[str, float]
    times: int

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Known:
    """bounces: how many messages it has refused lately. times: how often it was suppressed before."""

    bounces: int
    times: int


async def find(kv: Kv, address: Address, now: float) -> Entry | None:
    """The entry of a suppressed address."""
    value = await kv.get(_key("refused", address))
    entry = None if value is None else Entry(**json.loads(value))
    return None if entry is None or (entry.until is not None and entry.until <= now) else entry


async def entries(kv: Kv, now: float) -> Sequence[Entry]:
    """All of them, the newest first."""
    found = [Entry(**json.loads(value)) for _, value in await kv.scan("refused:")]
    current = [entry for entry in found if entry.until is None or entry.until > now]
    return sorted(current, key=lambda entry: (-entry.since, entry.address))


async def count(
    kv: Kv, address: Address, now: float, message_id: str, within: float, *, returned: bool = False
) -> Known:
    """Count a refused message; one that is counted already changes nothing.

    returned: its server had taken it, and reported later. Such are counted by themselves, for that it takes
    mail says nothing of them.
    """
    key = _key("returned" if returned else "count", address)
    while True:
        before = await kv.get(key)
        state = _State(**json.loads(before)) if before else _State({}, 0)
        messages = {name: at for name, at in state.messages.items() if at > now - within}
        messages.setdefault(message_id, now)
        while len(messages) > MOST_COUNTED:
            del messages[next(iter(messages))]
        after = _State(messages, state.times).encoded()
        if await kv.compare_and_set(key, before, after, expires=max(within, REMEMBERED)):
            return Known(len(messages), state.times)


async def suppress(kv: Kv, entry: Entry, times: int) -> None:
    """Put an address on the list, and count anew once it is off it."""
    address, expires = Address.parse(entry.address), entry.until and entry.until - entry.since
    await kv.set(_key("refused", address), json.dumps(asdict(entry)).encode(), expires=expires)
    for kind in ("count", "returned"):
        await kv.set(_key(kind, address), _State({}, times).encoded(), expires=REMEMBERED)


async def forget_count(kv: Kv, address: Address) -> None:
    """It takes mail."""
    key = _key("count", address)
    if await kv.get(key) is not None:
        await kv.set(key, None)


async def remove(kv: Kv, address: Address, now: float) -> bool:
    """Take an address off the list and forget what it has refused; whether it was there."""
    found = await find(kv, address, now)
    for kind in ("refused", "count", "returned"):
        await kv.set(_key(kind, address), None)
    return found is not None


def _key(kind: str, address: Address) -> str:
    name = f"{address.local}@{address.ascii_domain}".lower()
    if len(name.encode()) > 200:
        name = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return f"{kind}:{name}"
