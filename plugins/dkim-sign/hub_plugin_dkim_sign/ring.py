"""The keys of a domain and what each of them is for now, in `plugin.kv`, the same on all workers and nodes.

    waiting ─ DNS has its records ─► active ─ another is active ─► retiring ─ the overlap is over ─► retired

A ring is one value, and is only ever replaced by what was made of it: whoever is second begins again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Literal, TypeAlias, cast

from hub import Clock, Kv, SigningKey, StashKey, load_signing_key

State: TypeAlias = Literal["waiting", "active", "retiring", "retired"]

PREFIX: Final = "ring:"
FRESH: Final = 5.0
"""Seconds for which a ring is not read again: so long another worker signs with the old key."""
MAX_CACHED: Final = 10_000
KEPT: Final = 4
"""Retired keys that are still named."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key. pem: empty once it is retired. since: when it came into its state."""

    selector: str
    kind: Literal["rsa", "ed25519"]
    state: State
    since: float
    record: str
    pem: str = field(default="", repr=False)

    def name(self, domain: str) -> str:
        """Where DNS has its record."""
        return f"{self.selector}._domainkey.{domain}"


Ring: TypeAlias = Sequence[Key]


@dataclass(slots=True)
class _Cached:
    until: float
    ring: Ring
    signing: Sequence[tuple[str, SigningKey]]


class Rings:
    """The rings of all domains, read at most every few seconds."""

    def __init__(self, kv: Kv, clock: Clock) -> None:
        self._kv = kv
        self._clock = clock
        self._cache: dict[str, _Cached] = {}

    async def signing(self, domain: str) -> Sequence[tuple[str, SigningKey]]:
        """Selector and key of each that signs now."""
        cached = self._cache.get(domain)
        now = self._clock.time()
        if cached is None or not now < cached.until:
            ring = await self.read(domain)
            if cached is not None and cached.ring == ring:
                signing = cached.signing
            else:
                signing = [(key.selector, load_signing_key(key.pem)) for key in ring if key.state == "active"]
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            cached = self._cache[domain] = _Cached(now + FRESH, ring, signing)
        return cached.signing

    async def read(self, domain: str) -> Ring:
        """The domain's keys as they are stored; none for a domain without."""
        return _ring(await self._kv.get(PREFIX + domain))

    async def all(self) -> Mapping[str, Ring]:
        """Every domain that has keys."""
        return {key.removeprefix(PREFIX): _ring(value) for key, value in await self._kv.scan(PREFIX)}

    async def change(self, domain: str, step: Callable[[Ring], Ring]) -> Ring:
        """Replace the ring by what the step makes of it, and give that; the step may be tried again."""
        while True:
            before = await self._kv.get(PREFIX + domain)
            ring = _trimmed(step(_ring(before)))
            after = json.dumps([asdict(key) for key in ring]).encode()
            if await self._kv.compare_and_set(PREFIX + domain, before, after):
                self._cache.pop(domain, None)
                return ring


RINGS: Final = StashKey[Rings]()


def moved(ring: Ring, states: Mapping[State, State], now: float) -> Ring:
    """Every key in one of these states is in that one's successor; a retired one forgets its secret."""
    changed = []
    for key in ring:
        state = states.get(key.state)
        if state is None:
            changed.append(key)
        else:
            pem = "" if state == "retired" else key.pem
            changed.append(replace(key, state=state, since=now, pem=pem))
    return changed


def _ring(value: bytes | None) -> Ring:
    if value is None:
        return ()
    return [Key(**each) for each in cast("list[dict[str, object]]", json.loads(value))]  # type: ignore[arg-type]


def _trimmed(ring: Ring) -> Ring:
    retired = [key for key in ring if key.state == "retired"]
    return [key for key in ring if key not in retired[: max(0, len(retired) - KEPT)]]
