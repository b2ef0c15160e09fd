"""One scrape: the counts of all workers and the state of the hub, as Prometheus reads them."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from hub import Plugin
from hub_plugin_prometheus import metrics
from hub_plugin_prometheus.counts import Counts, Plain, Row, merged
from hub_plugin_prometheus.metrics import ALL, GAUGES, Metric
from hub_plugin_prometheus.slots import Slot

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PATIENCE: Final = 4.0
"""Seconds that workers have to answer, less than the ten of a scrape; the files speak for the others."""
FRESH: Final = 1.0
"""Seconds that a text is given out again, whoever asks for it how often."""

Values = Mapping[tuple[str, ...], float]


class Scrape:
    """Makes the text, one at a time. It answers for this worker too."""

    def __init__(self, plugin: Plugin, slot: Slot) -> None:
        self._plugin = plugin
        self._slot = slot
        self._one = asyncio.Lock()
        self._made_at = float("-inf")
        self._text = b""
        plugin.answer("counts", self._answer)

    async def text(self) -> bytes:
        """The exposition."""
        async with self._one:
            now = self._plugin.clock.monotonic()
            if now - self._made_at >= FRESH:
                counts, status = await asyncio.gather(self._counts(), self._status())
                self._text = await exposition(counts, gauges(status))
                self._made_at = now
            return self._text

    async def _answer(self, _: Mapping[str, object]) -> object:
        """What this worker has counted, after it was written down: what was seen once is not lost."""
        plain = self._slot.counts.plain()
        try:
            await asyncio.to_thread(self._slot.write, plain)
        except OSError as error:
            self._plugin.log.warning("counts are not written down", reason=str(error))
        return {"slot": self._slot.number, "counts": plain}

    async def _counts(self) -> Counts:
        try:
            async with asyncio.timeout(PATIENCE):
                said = await self._plugin.ask("counts")
        except (RuntimeError, TimeoutError):
            said = [await self._answer({})]
        answers = cast("list[dict[str, object]]", said)
        answered = {cast(int, each["slot"]) for each in answers}
        others = await asyncio.to_thread(self._slot.others, answered)
        return merged([*(cast(Plain, each["counts"]) for each in answers), *others])

    async def _status(self) -> Mapping[str, object]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._plugin.status()
        except (RuntimeError, TimeoutError):
            return {}


def gauges(status: Mapping[str, object]) -> dict[str, Values]:
    """Metric → its values, from what `hub status` says; nothing but `hub_status_available` if it is empty."""
    found: dict[str, Values] = {metrics.UP.name: {(): float(bool(status))}}
    if not status:
        return found
    queue, store = (cast("Mapping[str, object]", status[name]) for name in ("queue", "store"))
    plugins = cast("Mapping[str, Mapping[str, int]]", status["plugins"])
    dependencies = cast("list[Mapping[str, str | None]]", status["dependencies"])
    workers = cast("list[Mapping[str, str]]", status.get("workers", [{"state": "serves"}]))
    states = [each["state"] for each in workers]
    found |= {
        metrics.INFO.name: {(str(status["version"]), str(status["hostname"])): 1.0},
        metrics.WORKERS.name: {(state,): float(states.count(state)) for state in states},
        metrics.DEPENDENCY_UP.name: {
            (str(each["plugin"]), str(each["name"])): float(each["trouble"] is None) for each in dependencies
        },
    }
    for metric, key in {
        metrics.BREAKER_OPEN: "breaker_open",
        metrics.THREADS_HUNG: "threads_hung",
        metrics.FACTS_DROPPED: "facts_dropped",
    }.items():
        found[metric.name] = {(name,): float(numbers[key]) for name, numbers in plugins.items()}
    for metric, value in {
        metrics.UPTIME: status["uptime"],
        metrics.GENERATION: status["generation"],
        metrics.SESSIONS: status["sessions"],
        metrics.SET_ASIDE: status["set_aside"],
        metrics.QUEUE_RECIPIENTS: queue.get("rows"),
        metrics.QUEUE_AGE: 0.0 if queue.get("rows") == 0 else queue.get("age"),
        metrics.STORE_MESSAGES: store.get("messages"),
        metrics.STORE_BYTES: store.get("octets"),
        metrics.STORE_FREE: store.get("free"),
    }.items():
        if isinstance(value, int | float):  # else it could not be counted
            found[metric.name] = {(): float(value)}
    return found


async def exposition(counts: Counts, values: Mapping[str, Values]) -> bytes:
    """The text; others have their turn after every metric, for thousands of series take a while."""
    pieces = []
    for metric in ALL:
        if metric in GAUGES:
            family = _gauge(metric, values.get(metric.name, {}))
        else:
            family = _counted(metric, counts.rows[metric.name])
        if family.samples:
            pieces.append(generate_latest(_Only(family)))
            await asyncio.sleep(0)
    return b"".join(pieces)


class _Only:
    """A registry of one metric, which is all that the library needs to write it."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        """The one."""
        return (self._family,)


def _gauge(metric: Metric, values: Values) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels in list(values)[: metric.limit]:
        family.add_metric(labels, values[labels])
    return family


def _counted(metric: Metric, rows: Mapping[tuple[str, ...], Row]) -> Family:
    if metric.kind == "counter":
        counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, row in rows.items():
            counter.add_metric(labels, row[0])
        return counter
    histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, row in rows.items():
        histogram.add_metric(labels, list(_buckets(metric, row)), row[-1])
    return histogram


def _buckets(metric: Metric, row: Row) -> Iterator[tuple[str, float]]:
    so_far = 0.0
    for bound, number in zip((*map("{:g}".format, metric.buckets), "+Inf"), row[:-1], strict=True):
        so_far += number
        yield bound, so_far
