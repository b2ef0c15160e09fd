"""A rule tried on what is known of the last days: when it would have fired, and for how long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from hub_plugin_alerts.counting import MINUTE, Kind, Tally
from hub_plugin_alerts.history import History, Sample
from hub_plugin_alerts.observing import (
    Observation,
    Window,
    fold,
    minutes_of,
    observe_events,
    observe_metric,
)
from hub_plugin_alerts.settings import Rule
from hub_plugin_alerts.tracking import Tracked, go_on

Look: TypeAlias = Callable[[int], Mapping[str, Observation]]
"""What the rule saw in a minute; to be asked for one minute after the other."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that there would have been; ended is None for one that still would be."""

    key: str
    began: float
    ended: float | None
    severity: str
    summary: str


async def replay(history: History, name: str, rule: Rule, first: int, last: int, most: int) -> list[Firing]:
    """The alerts of a rule from one minute to another. most: `max_alerts`."""
    look = (
        await _events(history, name, rule, first) if rule.event else await _metric(history, name, rule, first)
    )
    known: dict[str, Tracked] = {}
    fired: list[Tracked] = []
    for minute in range(first, last + 1):
        seen = fold(name, look(minute), known, most)
        for key, after in go_on(name, rule, seen, known, float(minute * MINUTE)).items():
            known.pop(key, None)
            if after is not None and after.resolved is not None:
                fired.append(after)
            elif after is not None:
                known[key] = after
    fired += [each for each in known.values() if each.fired is not None]
    firings = [Firing(e.key, e.fired or e.began, e.resolved, e.severity, e.summary) for e in fired]
    return sorted(firings, key=lambda each: (each.began, each.key))


async def _events(history: History, name: str, rule: Rule, first: int) -> Look:
    window = Window(minutes_of(rule))
    counted: dict[int, list[tuple[Kind, Tally]]] = defaultdict(list)
    for entry in await history.events(first):
        counted[entry[0][0]].append(entry)

    def look(minute: int) -> Mapping[str, Observation]:
        window.add(counted.get(minute, ()))
        window.go_to(minute)
        return observe_events(name, rule, window.sums) if window.sums else {}

    return look


async def _metric(history: History, name: str, rule: Rule, first: int) -> Look:
    measured: dict[int, list[Sample]] = defaultdict(list)
    for minute, sample in await history.samples(first, rule.metric or ""):
        measured[minute].append(sample)

    def look(minute: int) -> Mapping[str, Observation]:
        return observe_metric(name, rule, measured.get(minute, ()))

    return look
