"""What rounds and reports calculate: percentiles, slopes, and the times at which mail is due."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

Points = Sequence[tuple[float, float]]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of all do not exceed (nearest rank)."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def slope(points: Points) -> float:
    """What y gains when x gains one, by least squares; 0 where all x are alike."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def exponent(points: Points) -> float:
    """The slope of the logarithms: about 0 for what stays flat, 1 for what grows with x, 2 for its square.

    All values are above zero.
    """
    return slope([(math.log(x), math.log(y)) for x, y in points])


def arrivals(rate: float, seconds: float, seed: int) -> Sequence[float]:
    """When mail is due, in seconds from the start: as independent senders do, `rate` per second on average.

    The gaps are exponential, so the mail comes in bunches; the same seed gives the same times.
    """
    pick = random.Random(seed)
    due: list[float] = []
    at = pick.expovariate(rate)
    while at < seconds:
        due.append(at)
        at += pick.expovariate(rate)
    return due
