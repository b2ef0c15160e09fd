"""Percentiles, slopes and schedules, on numbers whose answer is known."""

import math
from itertools import pairwise
from statistics import mean, stdev

import pytest

from bench.arithmetic import arrivals, exponent, percentile, slope


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (1, 1), (50, 50), (95, 95), (99, 99), (99.9, 100), (100, 100)]
)
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([*range(100, 50, -1), *range(1, 51)], percent) == value


def test_of_few_values_the_high_percentiles_are_the_slowest() -> None:
    assert [percentile([3.0, 1.0, 2.0], percent) for percent in (50, 95, 99.9)] == [2.0, 3.0, 3.0]


def test_a_slope_is_that_of_the_line_through_points_with_noise() -> None:
    noise = [0.5, -0.5, -0.5, 0.5]  # of no slope itself
    assert slope([(x, 7 + 3 * x + noise[x]) for x in range(4)]) == pytest.approx(3)
    assert slope([(1, 5), (2, 5), (9, 5)]) == 0


def test_points_at_one_place_have_no_slope() -> None:
    assert slope([(4, 1), (4, 9)]) == 0


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_an_exponent_is_the_power_with_which_something_grows(power: float) -> None:
    assert exponent([(n, 40 * n**power) for n in (10, 1_000, 1_000_000)]) == pytest.approx(power)


def test_a_schedule_is_the_same_for_a_seed_and_another_for_another() -> None:
    assert arrivals(100, 5, 1) == arrivals(100, 5, 1) != arrivals(100, 5, 2)


def test_a_schedule_has_its_rate_and_comes_in_bunches() -> None:
    due = arrivals(1_000, 20, 1)
    assert list(due) == sorted(due)
    assert 0 < due[0] < due[-1] < 20
    assert len(due) == pytest.approx(20_000, rel=0.03)
    gaps = [late - early for early, late in pairwise(due)]
    # The deviation of exponential gaps is their mean; evenly spaced mail would have none.
    assert stdev(gaps) == pytest.approx(mean(gaps), rel=0.05)
    assert math.isclose(mean(gaps), 0.001, rel_tol=0.03)
