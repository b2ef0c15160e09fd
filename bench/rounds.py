"""What a round is: every subject measured once, one after the other, while nobody else used the machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.cpu import CORES, foreign_seconds

FOREIGN_LIMIT: Final = 0.05
"""The share of all cores' time that others may use before a round says more about them than about us."""
ATTEMPTS: Final = 3
"""How many rounds are tried for each that is wanted."""

Values = Mapping[str, float]
Work = Callable[[], Values]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One subject in one round. foreign: the share of all cores' time that others used meanwhile, 0 to 1."""

    values: Values
    foreign: float


@dataclass(frozen=True, slots=True)
class Round:
    """samples: by subject. timed: whether anything in it depends on who else uses the machine."""

    samples: Mapping[str, Sample]
    timed: bool = True

    @property
    def foreign(self) -> float:
        """The worst of its samples."""
        return max(sample.foreign for sample in self.samples.values())

    @property
    def accepted(self) -> bool:
        """Whether the machine was ours, or need not have been."""
        return not self.timed or self.foreign <= FOREIGN_LIMIT


def interleave(subjects: Mapping[str, Work], wanted: int, say: Say, *, timed: bool = True) -> Sequence[Round]:
    """Measure all subjects in turn until `wanted` rounds were accepted, or too many were not.

    timed: False where nothing but octets are counted; then no round is rejected.
    Every other round goes backwards, so that nobody always follows the same neighbour.
    """
    rounds: list[Round] = []
    while sum(each.accepted for each in rounds) < wanted and len(rounds) < wanted * ATTEMPTS:
        order = list(subjects) if len(rounds) % 2 == 0 else list(subjects)[::-1]
        samples = {subject: sample(subjects[subject]) for subject in order}
        rounds.append(Round({subject: samples[subject] for subject in subjects}, timed))
        say(_told(len(rounds), rounds[-1]))
    return rounds


def joined(rounds: Sequence[Round], subject: str, derive: Callable[[Values], Values]) -> Sequence[Round]:
    """The same rounds, all their samples as one subject's: `rate` of the sample `10 rows` is `rate 10 rows`.

    derive: more values of a round, from all that it has.
    """
    made = []
    for each in rounds:
        values = {
            f"{key} {name}": value
            for name, measured in each.samples.items()
            for key, value in measured.values.items()
        }
        made.append(Round({subject: Sample({**values, **derive(values)}, each.foreign)}))
    return made


def sample(work: Work) -> Sample:
    """Do the work and see who else was at work."""
    os.sync()  # what the neighbour left to be written is not ours
    foreign, began = foreign_seconds(), time.monotonic()
    values = work()
    elapsed = time.monotonic() - began
    # A process that ended unwaited for takes its past with it.
    return Sample(values, max(0.0, foreign_seconds() - foreign) / (elapsed * CORES))


def _told(number: int, measured: Round) -> str:
    values = "; ".join(
        f"{subject} " + ", ".join(f"{key} {value:,.1f}" for key, value in each.values.items())
        for subject, each in measured.samples.items()
    )
    if measured.accepted:
        return f"round {number}: {values}"
    return f"round {number} rejected, others used {measured.foreign:.0%} of the machine: {values}"
