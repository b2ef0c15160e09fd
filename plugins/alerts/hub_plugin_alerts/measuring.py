"""The hub's status as metrics, and what of it is an event."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from hub import Plugin
from hub_plugin_alerts.counting import LONGEST_TEXT, MINUTE, Counter, clean, without_names
from hub_plugin_alerts.history import Sample

Fields: TypeAlias = Mapping[str, object]

WORKERS = "workers"
"""The key under which the restarts that were counted are kept."""
MOST_SAMPLES = 500


def samples_of(status: Fields) -> list[Sample]:
    """What can be measured of a status; what it does not say is left out."""
    return list(_samples(status))[:MOST_SAMPLES]


def _samples(status: Fields) -> Iterator[Sample]:
    store, queue = cast(Fields, status["store"]), cast(Fields, status["queue"])
    free, disk = store.get("free"), store.get("disk")
    if isinstance(free, int) and isinstance(disk, int) and disk:
        yield Sample("disk_free", (), float(free))
        yield Sample("disk_free_percent", (), 100 * free / disk)
        yield Sample("messages", (), float(cast(int, store["messages"])))
    if isinstance(rows := queue.get("rows"), int):
        yield Sample("queue_rows", (), float(rows))
        yield Sample("queue_age", (), float(cast("float | None", queue["age"]) or 0.0))
    yield Sample("sessions", (), float(cast(int, status["sessions"])))
    yield Sample("set_aside", (), float(cast(int, status["set_aside"])))
    for name, health in cast("Mapping[str, str]", status["unwell"]).items():
        yield Sample(
            "plugin_unwell", (("plugin", clean(name)),), 1.0, clean(without_names(health), LONGEST_TEXT)
        )
    for each in cast("Sequence[Mapping[str, str | None]]", status["dependencies"]):
        labels = (
            ("plugin", clean(str(each["plugin"]))),
            ("dependency", clean(str(each["name"]))),
        )
        trouble = each["trouble"]
        yield Sample(
            "dependency_down",
            labels,
            float(trouble is not None),
            clean(without_names(trouble or ""), LONGEST_TEXT),
        )


async def count_restarts(plugin: Plugin, counter: Counter, status: Fields) -> None:
    """Count an event for each worker that was replaced since the last look, whichever worker looked then."""
    workers = cast("Sequence[Fields]", status.get("workers", ()))
    now = {str(each["number"]): cast(int, each["restarts"]) for each in workers}
    state = json.dumps([status["pid"], now]).encode()
    known = await plugin.kv.get(WORKERS)
    if not workers or state == known:
        return
    pid, before = json.loads(known) if known else (None, {})
    if pid != status["pid"]:  # another supervisor, who begins to count at nothing
        before = {}
    if not await plugin.kv.compare_and_set(WORKERS, known, state):
        return  # somebody else counts them
    for each in workers:
        number = str(each["number"])
        restarts = now[number] - before.get(number, 0)
        why = str(each["last_death"])
        if restarts > 0:
            labels = {"worker": number, "why": why}
            counter.add(plugin.clock.time(), "worker_replaced", labels, why, restarts)


def minute_of(now: float) -> int:
    """The minute since the epoch."""
    return int(now) // MINUTE
