"""What a rule sees: whether its condition holds, and about what. The same now as over the last days."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub_plugin_alerts.counting import MINUTE, Kind, Labels, Tally
from hub_plugin_alerts.history import Sample
from hub_plugin_alerts.settings import Rule
from hub_plugin_alerts.wording import shown, span

LONGEST_KEY = 150
OTHERS = "others"
"""What a label is called whose value is not known, and the alert that stands for all that are too many."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The condition of a rule holds. rank: how far, to choose between many."""

    key: str
    labels: Mapping[str, str]
    value: str
    count: int
    rank: float
    text: str = ""


@dataclass(slots=True)
class Window:
    """Sums over the last minutes, by event and labels, that go on with time."""

    minutes: int
    _entries: deque[tuple[Kind, Tally]] = field(default_factory=deque)
    sums: dict[tuple[str, Labels], Tally] = field(default_factory=dict)

    def add(self, entries: Iterable[tuple[Kind, Tally]]) -> None:
        """What was counted, in the order of its minutes."""
        for (minute, event, labels), tally in entries:
            self._entries.append(((minute, event, labels), tally))
            total = self.sums.setdefault((event, labels), Tally())
            total.count += tally.count
            total.text = tally.text or total.text

    def go_to(self, minute: int) -> None:
        """Forget what is further back than the window, seen from this minute."""
        while self._entries and self._entries[0][0][0] <= minute - self.minutes:
            (_, event, labels), tally = self._entries.popleft()
            total = self.sums[event, labels]
            total.count -= tally.count
            if not total.count:
                del self.sums[event, labels]


def minutes_of(rule: Rule) -> int:
    """The rule's window in whole minutes, the one that has begun among them."""
    return max(1, round(rule.window / MINUTE))


def observe_events(name: str, rule: Rule, sums: Mapping[tuple[str, Labels], Tally]) -> dict[str, Observation]:
    """Where there are too many of the rule's event, by alert key."""
    counted: dict[tuple[str, ...], Tally] = {}
    whole: dict[tuple[str, ...], int] = {}
    for (event, pairs), tally in sums.items():
        labels = dict(pairs)
        group = tuple(labels.get(label, OTHERS) for label in rule.by)
        if event == rule.event and rule.admits(labels):
            total = counted.setdefault(group, Tally())
            total.count += tally.count
            total.text = tally.text or total.text
        if event in rule.of:
            whole[group] = whole.get(group, 0) + tally.count
    found = {}
    for group, tally in counted.items():
        share = tally.count / max(whole.get(group, 0), 1)
        if tally.count >= rule.count and (rule.share is None or share > rule.share):
            value = str(tally.count) if rule.share is None else f"{share:.0%}"
            seen = Observation(
                key_of(name, group),
                dict(zip(rule.by, group, strict=True)),
                value,
                tally.count,
                float(tally.count),
                tally.text,
            )
            found[seen.key] = seen
    return found


def observe_metric(name: str, rule: Rule, samples: Iterable[Sample]) -> dict[str, Observation]:
    """Where the rule's metric is beyond its threshold, by alert key; of several in a group the worst."""
    found: dict[str, Observation] = {}
    for sample in samples:
        labels = dict(sample.labels)
        if sample.metric != rule.metric or not rule.admits(labels):
            continue
        over = sample.value - rule.above if rule.above is not None else (rule.below or 0.0) - sample.value
        if over <= 0:
            continue
        group = tuple(labels.get(label, OTHERS) for label in rule.by)
        key = key_of(name, group)
        if key not in found or over > found[key].rank:
            found[key] = Observation(
                key,
                dict(zip(rule.by, group, strict=True)),
                shown(sample.metric, sample.value),
                1,
                over,
                sample.text,
            )
    return found


def fold(
    name: str, seen: Mapping[str, Observation], known: Mapping[str, object], most: int
) -> dict[str, Observation]:
    """At most so many observations, those that are known already first, and one for all others."""
    if len(seen) <= most:
        return dict(seen)
    ordered = sorted(seen.values(), key=lambda each: (each.key not in known, -each.rank, each.key))
    kept, rest = ordered[:most], ordered[most:]
    named = ", ".join(" ".join(each.labels.values()) for each in rest[:5])
    others = Observation(
        f"{name}/{OTHERS}",
        {},
        f"{len(rest)} more",
        sum(each.count for each in rest),
        0.0,
        f"{named}{', …' if len(rest) > 5 else ''}",
    )
    return {each.key: each for each in (*kept, others)}


def sentence(name: str, rule: Rule, seen: Observation) -> str:
    """The alert's sentence."""
    if rule.by and not seen.labels:
        return f"{name}: {seen.value} of the same kind"
    values = {"rule": name, "value": seen.value, "count": str(seen.count), "window": span(rule.window)}
    return rule.sentence({**values, **seen.labels})


def key_of(name: str, group: tuple[str, ...]) -> str:
    """The key of an alert: the rule's name and the values of its labels, or a hash of them if it is long."""
    key = "/".join((name, *group))
    if len(key.encode()) <= LONGEST_KEY and "/".join(group) != OTHERS:
        return key
    return f"{name}/{hashlib.blake2b(repr(group).encode(), digest_size=12).hexdigest()}"
