"""What alerting keeps in `plugin.kv`: alerts, silences, and how each sink does."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from hub import Kv, Plugin, Severity
from hub_plugin_alerts.tracking import MANUAL, Tracked

ALERT, SILENCE, SINK = "alert/", "silence/", "sink/"
LONGEST_SILENCE = 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that nobody is told of for a while. rule: a pattern; where: patterns by label."""

    id: str
    rule: str
    until: float
    where: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def covers(self, alert: Tracked) -> bool:
        """Whether it is about this alert."""
        return fnmatch.fnmatchcase(alert.rule, self.rule) and all(
            fnmatch.fnmatchcase(alert.labels.get(label, ""), pattern) for label, pattern in self.where.items()
        )


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink does. sent: when it was given something in the last minutes.

    failures: in a row. later: not before this time. trouble: what went wrong last.
    """

    sent: Sequence[float] = ()
    failures: int = 0
    later: float = 0.0
    trouble: str | None = None

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """As it was kept."""
        return cls(**json.loads(raw))


class Keeper:
    """Reads and writes the documents, each by itself."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv

    async def alerts(self) -> dict[str, Tracked]:
        """All alerts, by key."""
        found = [Tracked.read(raw) for _, raw in await self._kv.scan(ALERT)]
        return {alert.key: alert for alert in found}

    async def keep(self, key: str, before: Tracked | None, after: Tracked | None) -> bool:
        """Write or remove an alert, unless somebody else has changed it; whether that was done."""
        old = before.written() if before else None
        return await self._kv.compare_and_set(ALERT + key, old, after.written() if after else None)

    async def silences(self) -> list[Silence]:
        """Those that have not ended."""
        return [Silence(**json.loads(raw)) for _, raw in await self._kv.scan(SILENCE)]

    async def sinks(self) -> dict[str, SinkState]:
        """How the sinks do that were given something before."""
        return {key.removeprefix(SINK): SinkState.read(raw) for key, raw in await self._kv.scan(SINK)}

    async def keep_sink(self, name: str, state: SinkState) -> None:
        """Write down how it does."""
        await self._kv.set(SINK + name, json.dumps(dataclasses.asdict(state)).encode(), expires=7 * 86400)


async def silence(
    plugin: Plugin, rule: str, where: Mapping[str, str], seconds: float, reason: str
) -> Silence:
    """Begin a silence. ValueError if it is too long."""
    if not 0 < seconds <= LONGEST_SILENCE:
        raise ValueError("a silence lasts more than nothing and at most a year")
    made = Silence(secrets.token_hex(4), rule, plugin.clock.time() + seconds, dict(where), reason[:500])
    await plugin.kv.set(SILENCE + made.id, json.dumps(dataclasses.asdict(made)).encode(), expires=seconds)
    return made


async def unsilence(plugin: Plugin, identifier: str) -> Silence:
    """End a silence. LookupError if there is none of that id."""
    key = SILENCE + identifier
    raw = await plugin.kv.get(key)
    if raw is None:
        raise LookupError(f"there is no silence '{identifier}'; `hub alerts list` shows them")
    await plugin.kv.set(key, None)
    return Silence(**json.loads(raw))


async def fire(plugin: Plugin, summary: str, severity: Severity, seconds: float) -> Tracked:
    """An alert by hand, that is told to whoever is told of such a severity and is over after some seconds."""
    now = plugin.clock.time()
    made = Tracked(
        key=f"{MANUAL}/{secrets.token_hex(4)}",
        rule=MANUAL,
        severity=str(severity),
        summary=summary[:500],
        began=now,
        fired=now,
        until=now + seconds,
    )
    await Keeper(plugin.kv).keep(made.key, None, made)
    return made
