"""One alert from its first sign to its end: what is kept of it, and how it goes on.

    nothing ─ seen ─► pending ─ long enough ─► firing ─ not seen long enough ─► resolved ─ told ─► nothing
                         └─ not seen ─► nothing   └──────── seen again ◄───────────┘

Every sink is told once of each state that it has to know. All of it lies in `plugin.kv`, a document for each
alert, so that any worker may go on where another one stopped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from hub import Alert, AlertStatus, Severity
from hub_plugin_alerts.observing import Observation, sentence
from hub_plugin_alerts.settings import Rule

KEEP_RESOLVED = 86400.0
"""Seconds after which nobody is told any more that something is over."""
MANUAL = "manual"
"""The rule of alerts that an operator fires by hand."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """An alert as it is kept. Times are seconds since the epoch.

    fired, well, resolved: since when it fires; it is no longer seen; it is over. until: the end of one that
    was fired by hand. told: sink → the status that it knows. refused: sink → the status that it did not take,
    and why.
    """

    key: str
    rule: str
    severity: str
    summary: str
    began: float
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = ""
    count: int = 1
    text: str = ""
    fired: float | None = None
    well: float | None = None
    resolved: float | None = None
    until: float | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """As it was kept."""
        return cls(**json.loads(raw))

    def written(self) -> bytes:
        """To be kept."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @property
    def state(self) -> str:
        """`pending`, `firing` or `resolved`."""
        if self.resolved is not None:
            return "resolved"
        return "pending" if self.fired is None else "firing"

    def wanted(self, sink: str, silenced: bool) -> AlertStatus | None:
        """What the sink should know and does not; None if there is nothing to say to it."""
        told = self.told.get(sink)
        if self.resolved is not None:
            status = AlertStatus.RESOLVED if told else None
        elif self.fired is None:
            status = None
        elif silenced:
            status = AlertStatus.ACKNOWLEDGED if told else None
        else:
            status = AlertStatus.FIRING
        if status is None or status == told or self.refused.get(sink, ("", ""))[0] == status:
            return None
        return status

    def noted(self, sink: str, status: AlertStatus, trouble: str | None) -> Self:
        """After the sink was told of a status; trouble: why it never will take it."""
        refused = {name: why for name, why in self.refused.items() if name != sink}
        if trouble is not None:
            return replace(self, refused={**refused, sink: (str(status), trouble)})
        return replace(self, told={**self.told, sink: str(status)}, refused=refused)

    def is_over(self, sinks: Collection[str]) -> bool:
        """Whether it is resolved, and each of these sinks that knew of it knows that, or never will."""
        return self.resolved is not None and all(
            sink not in sinks or AlertStatus.RESOLVED in (status, self.refused.get(sink, ("", ""))[0])
            for sink, status in self.told.items()
        )

    def alert(self, status: AlertStatus, source: str) -> Alert:
        """As a sink is given it."""
        details = {"value": self.value, "said last": self.text}
        return Alert(
            key=self.key,
            rule=self.rule,
            severity=Severity(self.severity),
            status=status,
            summary=self.summary,
            source=source,
            since=self.fired or self.began,
            count=self.count,
            labels=dict(self.labels),
            details={name: text for name, text in details.items() if text},
        )


def go_on(
    name: str, rule: Rule, seen: Mapping[str, Observation], known: Mapping[str, Tracked], now: float
) -> dict[str, Tracked | None]:
    """The rule's alerts that change, by key; None for those that are forgotten."""
    changed: dict[str, Tracked | None] = {}
    for key, observation in seen.items():
        before = known.get(key)
        after = _seen(name, rule, observation, before, now)
        if after != before:
            changed[key] = after
    for key, before in known.items():
        if key not in seen and before.rule == name:
            after_all = _unseen(rule.quiet, before, now)
            if after_all != before:
                changed[key] = after_all
    return changed


def end(known: Tracked, now: float) -> Tracked | None:
    """Its rule is gone, or its time is over: as if it had not been seen for long enough."""
    return _unseen(0.0, known, now) if known.until is None or now >= known.until else known


def _seen(name: str, rule: Rule, seen: Observation, before: Tracked | None, now: float) -> Tracked:
    if before is None:
        text = sentence(name, rule, seen)
        after = Tracked(
            seen.key, name, str(rule.severity), text, now, seen.labels, seen.value, seen.count, seen.text
        )
    else:
        after = replace(before, well=None, resolved=None)
        if seen.count > before.count:
            text = sentence(name, rule, seen)
            after = replace(after, summary=text, value=seen.value, count=seen.count, text=seen.text)
    if after.fired is None and now - after.began >= rule.hold:
        after = replace(after, fired=now)
    return after


def _unseen(quiet: float, before: Tracked, now: float) -> Tracked | None:
    if before.fired is None:
        return None
    if before.resolved is not None:
        return None if now - before.resolved > KEEP_RESOLVED else before
    after = before if before.well is not None else replace(before, well=now)
    return replace(after, resolved=now) if now - (after.well or now) >= quiet else after
