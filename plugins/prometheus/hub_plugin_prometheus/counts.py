"""Counters and histograms of one worker, as dictionaries: adding to one takes less than a microsecond."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

from hub_plugin_prometheus.metrics import COUNTED, Metric

Labels: TypeAlias = tuple[str, ...]
Row: TypeAlias = list[float]
"""One number; of a histogram those in each bucket, those above all, and the sum of the values."""
Plain: TypeAlias = dict[str, list[list[object]]]
"""Name → a list of (labels, row), as JSON can hold it."""

OTHER = "other"


class Counts:
    """Rows by metric and labels; the number of rows of each metric is bounded."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, dict[Labels, Row]] = {name: {} for name in COUNTED}

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count."""
        rows = self.rows[metric.name]
        row = rows.get(labels)
        if row is None:
            row = self._new(metric, labels)
        row[0] += by

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Put a value into its bucket."""
        rows = self.rows[metric.name]
        row = rows.get(labels)
        if row is None:
            row = self._new(metric, labels)
        row[bisect_left(metric.buckets, value)] += 1
        row[-1] += value

    def _new(self, metric: Metric, labels: Labels) -> Row:
        rows = self.rows[metric.name]
        if len(rows) >= metric.limit:
            labels = (OTHER,) * len(labels)
        return rows.setdefault(labels, empty(metric))

    def plain(self) -> Plain:
        """A copy that JSON can hold."""
        return {
            name: [[labels, row.copy()] for labels, row in rows.items()] for name, rows in self.rows.items()
        }


def empty(metric: Metric) -> Row:
    """A row of zeros."""
    return [0.0] * (len(metric.buckets) + 2 if metric.kind == "histogram" else 1)


def merged(plains: Iterable[Plain]) -> Counts:
    """Several workers' counts as one; what another version of this plugin counted otherwise is left out."""
    whole = Counts()
    for plain in plains:
        for name, found in plain.items():
            metric = COUNTED.get(name)
            for labels, row in found if metric is not None else ():
                assert metric is not None
                _merge(whole, metric, tuple(map(str, cast("Sequence[str]", labels))), cast(Row, row))
    return whole


def _merge(whole: Counts, metric: Metric, labels: Labels, row: Row) -> None:
    if len(labels) != len(metric.labels) or len(row) != len(empty(metric)):
        return
    rows = whole.rows[metric.name]
    have = rows.get(labels)
    if have is None:
        have = whole._new(metric, labels)
    for place, value in enumerate(row):
        have[place] = max(have[place], value) if metric.merged == "largest" else have[place] + value
