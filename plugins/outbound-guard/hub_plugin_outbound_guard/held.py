"""The accounts that are held, as the store keeps them: what was too much, since when, for how long."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from hub import AccountRef, Plugin

_KEY = "held/"
_RELEASES = "releases/"


@dataclass(frozen=True, slots=True)
class Held:
    """One account. name: by which it logs in; since: seconds since the epoch; seconds: for how long."""

    tenant: str
    key: str
    name: str
    what: str
    text: str
    since: float
    seconds: float

    @property
    def account(self) -> AccountRef:
        """Whom it is about."""
        return AccountRef(self.tenant, self.key)


async def hold(plugin: Plugin, held: Held) -> bool:
    """Write it down; False if it was held already."""
    value = json.dumps(asdict(held)).encode()
    return await plugin.kv.compare_and_set(_key(held.account), None, value, expires=held.seconds)


async def is_held(plugin: Plugin, account: AccountRef) -> bool:
    """Whether it is, on whichever worker that was found out."""
    return await plugin.kv.get(_key(account)) is not None


async def all_held(plugin: Plugin) -> Sequence[Held]:
    """The newest first."""
    found = [Held(**json.loads(value)) for _, value in await plugin.kv.scan(_KEY)]
    return sorted(found, key=lambda held: -held.since)


async def release(plugin: Plugin, name: str) -> Held:
    """Let an account send again, by the name that it logs in by. LookupError if it is not held."""
    for held in await all_held(plugin):
        if held.name == name:
            count = await releases(plugin, held.account) + 1
            await plugin.kv.set(_RELEASES + digest(held.account), b"%d" % count)
            await plugin.kv.set(_key(held.account), None)
            return held
    raise LookupError(f"{name} is not held; `hub outbound list` shows who is")


async def releases(plugin: Plugin, account: AccountRef) -> int:
    """How often it was released: from then on all is counted anew."""
    return int(await plugin.kv.get(_RELEASES + digest(account)) or 0)


def digest(account: AccountRef) -> str:
    """What stands for an account in keys, whose length is limited."""
    return hashlib.blake2b(f"{account.tenant}\0{account.key}".encode(), digest_size=12).hexdigest()


def _key(account: AccountRef) -> str:
    return _KEY + digest(account)
