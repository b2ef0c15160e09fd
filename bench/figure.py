"""One number of a report: its rounds, their medians, the ratio, and whether it is as good as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.rounds import Round

HUB = "hub"
"""The subject that all others are compared with."""


@dataclass(frozen=True, slots=True)
class Goal:
    """Reached by a value of at most `limit`, or, with a peer, by at least `limit` times the peer's.

    peer: a subject, or the word that several begin with, all of whom are meant. most: at most so many times.
    """

    limit: float
    peer: str | None = None
    most: bool = False

    def __str__(self) -> str:
        if self.peer is None:
            return f"≤ {self.limit:g}"
        return f"{'≤' if self.most else '≥'} {self.limit:g} × {self.peer}"

    def holds(self, ratio: float) -> bool:
        """Whether a ratio to a peer is good enough."""
        return ratio <= self.limit if self.most else ratio >= self.limit


@dataclass(frozen=True, slots=True)
class Figure:
    """name: what was measured. key: under which a sample's values have it. rounds: rejected ones too."""

    name: str
    unit: str
    key: str
    rounds: Sequence[Round]
    goal: Goal | None = None

    @property
    def accepted(self) -> Sequence[Round]:
        """The rounds that count."""
        return [each for each in self.rounds if each.accepted]

    @property
    def rejected(self) -> int:
        """How many rounds do not count because others used the machine."""
        return len(self.rounds) - len(self.accepted)

    def median(self, subject: str) -> float | None:
        """The subject's median over the rounds that count; None without any."""
        values = [value for each in self.accepted if (value := self.value(each, subject)) is not None]
        return median(values) if values else None

    def value(self, measured: Round, subject: str) -> float | None:
        """One round's; None where the subject was not measured, or not in this."""
        sample = measured.samples.get(subject)
        return None if sample is None else sample.values.get(self.key)

    def ratio(self, peer: str) -> float | None:
        """The median of each round's own ratio: disks change by the minute, but hardly within a round."""
        ratios = [
            ours / theirs
            for each in self.accepted
            if (ours := self.value(each, HUB)) is not None and (theirs := self.value(each, peer))
        ]
        return median(ratios) if ratios else None

    @property
    def reached(self) -> bool | None:
        """None without a goal, or without what it takes to tell."""
        if self.goal is None:
            return None
        if self.goal.peer is not None:
            ratios = [
                ratio for peer in self._meant(self.goal.peer) if (ratio := self.ratio(peer)) is not None
            ]
            return all(map(self.goal.holds, ratios)) if ratios else None
        value = self.median(HUB)
        return None if value is None else value <= self.goal.limit

    def _meant(self, peer: str) -> Sequence[str]:
        subjects = {subject for each in self.rounds for subject in each.samples}
        return sorted(subject for subject in subjects if f"{subject} ".startswith(f"{peer} "))
