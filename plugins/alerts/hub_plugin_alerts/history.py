"""Writing down what was counted and measured, and reading it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, delete, func, insert, select, update

from hub import Tables
from hub_plugin_alerts.counting import MINUTE, Kind, Labels, Tally
from hub_plugin_alerts.tables import EVENT, METRIC

MOST_ROWS: Final = 500_000
"""Rows that each table keeps at most, however short the time is that they cover then."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A metric as it was measured. text: what the hub said about it."""

    metric: str
    labels: Labels
    value: float
    text: str = ""


class History:
    """The two tables of the plugin, the same for all workers."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, taken: Mapping[Kind, Tally]) -> None:
        """Add to the counts; other workers add to the same."""

        def work(db: Connection) -> None:
            for (minute, event, labels), tally in taken.items():
                key = {"minute": minute, "event": event, "labels": _packed(labels)}
                counted = {"count": EVENT.c.count + tally.count}
                said = {"text": tally.text} if tally.text else {}
                changed = update(EVENT).filter_by(**key).values(**counted, **said)
                if not db.execute(changed).rowcount:
                    db.execute(insert(EVENT).values(**key, count=tally.count, text=tally.text))

        if taken:
            await self._tables.write(work)

    async def measure(self, now: float, samples: Sequence[Sample]) -> None:
        """Keep the first values of each minute."""
        minute = int(now) // MINUTE

        def is_there(db: Connection) -> bool:
            return db.execute(select(METRIC.c.minute).filter_by(minute=minute).limit(1)).first() is not None

        def work(db: Connection) -> None:
            if samples and not is_there(db):
                rows = [
                    {
                        "minute": minute,
                        "metric": each.metric,
                        "labels": _packed(each.labels),
                        "value": each.value,
                        "text": each.text,
                    }
                    for each in samples
                ]
                db.execute(insert(METRIC), rows)

        if not await self._tables.point(is_there):
            await self._tables.write(work)

    async def events(self, since: int) -> list[tuple[Kind, Tally]]:
        """All counts from a minute on, the oldest first."""

        def work(db: Connection) -> list[tuple[Kind, Tally]]:
            query = select(EVENT).where(EVENT.c.minute >= since).order_by(EVENT.c.minute)
            return [
                ((minute, event, _unpacked(labels)), Tally(count, text))
                for minute, event, labels, count, text in db.execute(query)
            ]

        return await self._tables.read(work)

    async def samples(self, since: int, metric: str) -> Iterator[tuple[int, Sample]]:
        """Values of one metric from a minute on, the oldest first."""

        def work(db: Connection) -> list[tuple[int, Sample]]:
            wanted = select(METRIC).where(METRIC.c.minute >= since, METRIC.c.metric == metric)
            return [
                (row.minute, Sample(row.metric, _unpacked(row.labels), row.value, row.text))
                for row in db.execute(wanted.order_by(METRIC.c.minute))
            ]

        return iter(await self._tables.read(work))

    async def forget(self, before: int, most: int = MOST_ROWS) -> None:
        """Remove what is older than a minute, and what are too many rows."""

        def work(db: Connection) -> None:
            for table in (EVENT, METRIC):
                db.execute(delete(table).where(table.c.minute < max(before, _first_kept(db, table, most))))

        await self._tables.write(work)


def _first_kept(db: Connection, table: Table, most: int) -> int:
    """The minute after the last one that is too much."""
    if (db.execute(select(func.count()).select_from(table)).scalar() or 0) <= most:
        return 0
    nth = select(table.c.minute).order_by(table.c.minute.desc()).offset(most).limit(1)
    return 1 + int(db.execute(nth).scalar() or 0)


def _packed(labels: Labels) -> str:
    return json.dumps(labels, ensure_ascii=False, separators=(",", ":"))


def _unpacked(text: str) -> Labels:
    return tuple((str(name), str(value)) for name, value in json.loads(text))
