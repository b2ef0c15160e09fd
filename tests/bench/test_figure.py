"""The arithmetic, on rounds that nobody had to measure."""

import pytest

from bench.figure import Figure, Goal
from bench.rounds import FOREIGN_LIMIT, Round, Sample


def made_up(hub: float, postfix: float | None = None, foreign: float = 0.0) -> Round:
    samples = {"hub": Sample({"rate": hub}, foreign)}
    if postfix is not None:
        samples["Postfix"] = Sample({"rate": postfix}, 0.0)
    return Round(samples)


def figure(*rounds: Round, goal: Goal | None = None) -> Figure:
    return Figure("4 KiB", "mails/s", "rate", rounds, goal)


def test_a_figure_is_the_median_of_its_rounds() -> None:
    measured = figure(made_up(100, 10), made_up(900, 30), made_up(200, 20))
    assert (measured.median("hub"), measured.median("Postfix")) == (200, 20)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    # The medians alone, 200 and 40, would say 5.
    assert figure(made_up(100, 10), made_up(200, 50), made_up(320, 40)).ratio("Postfix") == 8


def test_a_round_during_which_others_worked_does_not_count() -> None:
    measured = figure(made_up(100, 10), made_up(1, 100, foreign=FOREIGN_LIMIT * 1.1))
    assert (measured.median("hub"), measured.ratio("Postfix"), measured.rejected) == (100, 10, 1)


def test_one_disturbed_subject_rejects_the_round_for_all() -> None:
    disturbed = Round({"hub": Sample({"rate": 5}, 0.0), "Postfix": Sample({"rate": 1}, FOREIGN_LIMIT * 2)})
    assert not disturbed.accepted
    assert figure(disturbed).median("hub") is None


def test_without_a_peer_there_is_no_ratio() -> None:
    alone = figure(made_up(100), goal=Goal(4, "Postfix"))
    assert (alone.median("hub"), alone.ratio("Postfix"), alone.reached) == (100, None, None)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(10, "Postfix"), True),
        (Goal(10.1, "Postfix"), False),
        (Goal(100), True),
        (Goal(99.9), False),
        (None, None),
    ],
)
def test_a_goal_is_a_limit_or_a_multiple_of_the_peer(goal: Goal | None, reached: bool | None) -> None:
    assert figure(made_up(100, 10), goal=goal).reached is reached
