"""A tier is what checks were passed, whatever the checks are."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hub_registry.tiers import Check, Subject, earned, outcomes

from hub.registry.index import Tier

NOBODY = cast(Subject, Path())


def check(tier: Tier, *said: str) -> Check:
    return Check(f"{tier} of {len(said)}", tier, lambda _: said)


@pytest.mark.parametrize(
    ("checks", "tier", "passed"),
    [
        ([check("listed"), check("loads"), check("checked")], "checked", [True, True, True]),
        ([check("listed"), check("loads", "no"), check("checked")], "listed", [True, False, None]),
        (
            [check("listed"), check("loads"), check("loads", "no"), check("checked")],
            "listed",
            [True, True, False, None],
        ),
        ([check("listed", "no"), check("loads")], "listed", [False, None]),
        ([check("listed"), check("checked")], "listed", [True, True]),
    ],
)
def test_a_tier_asks_for_all_checks_of_its_own_and_of_those_below(
    checks: list[Check], tier: Tier, passed: list[bool | None]
) -> None:
    found = outcomes(NOBODY, checks)
    assert [outcome.passed for outcome in found] == passed
    assert earned(found) == tier


def test_checks_above_the_tier_that_is_asked_for_are_not_run() -> None:
    found = outcomes(NOBODY, [check("listed"), check("loads"), check("proven", "never run")], up_to="loads")
    assert [(outcome.passed, outcome.said) for outcome in found] == [(True, ()), (True, ()), (None, ())]
    assert earned(found) == "loads"
