"""Which checks there are, and what passing them earns. A tier is never written down: it comes out here.

| tier | what a plugin of it has passed |
|---|---|
| listed | its names, README and metadata agree, and its wheel is built |
| loads | the wheel alone, unpacked into an empty folder, is loaded by the hub |
| checked | `hub plugins check` finds no fault in its source |
| proven | its own tests pass with the wheel |
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.registry.index import TIERS, Outcome, Tier
from hub.testing.checking import check as find_faults
from hub_registry.describing import Description
from hub_registry.project import Project, problems

PATIENCE: Final = 600.0
"""Seconds that a plugin's tests may take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: the source, and the wheel unpacked into a folder with what loading it has shown."""

    project: Project
    unpacked: Path
    description: Description


@dataclass(frozen=True, slots=True)
class Check:
    """One check. run: a sentence for each thing that is wrong, none if it is passed."""

    name: str
    tier: Tier
    run: Callable[[Subject], Sequence[str]]


def _metadata(subject: Subject) -> Sequence[str]:
    return problems(subject.project)


def _loads(subject: Subject) -> Sequence[str]:
    return subject.description.errors


def _fit(subject: Subject) -> Sequence[str]:
    return [str(fault) for fault in find_faults(subject.project.entry.source) if not fault.is_warning]


def _tests(subject: Subject) -> Sequence[str]:
    """The tests of the source tree, importing the plugin from the wheel."""
    tests = subject.project.tests
    if not tests.is_dir():
        return [f"{subject.project.entry.shown} has no tests"]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
            cwd=subject.project.entry.source,
            env={**os.environ, "PYTHONPATH": str(subject.unpacked)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"its tests are not done after {PATIENCE:.0f} s"]
    if done.returncode == 0:
        return []
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines or done.stdout.strip().splitlines()[-1:] or ["its tests do not run"]


CHECKS: Final = (
    Check("its names, README and metadata agree", "listed", _metadata),
    Check("its wheel is loaded by the hub", "loads", _loads),
    Check("hub plugins check finds no fault", "checked", _fit),
    Check("its own tests pass with the wheel", "proven", _tests),
)


def outcomes(subject: Subject, checks: Sequence[Check] = CHECKS, *, up_to: Tier = "proven") -> list[Outcome]:
    """Run the checks in order; one above `up_to`, or above a tier that was not reached, is not run."""
    found: list[Outcome] = []
    for check in checks:
        lower = [each for each in found if TIERS.index(each.tier) < TIERS.index(check.tier)]
        if TIERS.index(check.tier) > TIERS.index(up_to) or not all(each.passed for each in lower):
            found.append(Outcome(check=check.name, tier=check.tier, passed=None))
            continue
        said = tuple(check.run(subject))
        found.append(Outcome(check=check.name, tier=check.tier, passed=not said, said=said))
    return found


def earned(found: Sequence[Outcome]) -> Tier:
    """The highest tier of which all checks are passed, and all of those below."""
    reached: Tier = "listed"
    for tier in TIERS:
        checks = [outcome for outcome in found if outcome.tier == tier]
        if not checks or not all(outcome.passed for outcome in checks):
            break
        reached = tier
    return reached
