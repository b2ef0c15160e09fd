"""Reports in the database: kept once each, forgotten when they are old, summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from hub import Tables
from hub_plugin_reports.report import Report
from hub_plugin_reports.tables import LINE, REPORT

MAX_KEPT: Final = 2_000_000
"""Lines of all reports; past it new ones are not kept."""


@dataclass(frozen=True, slots=True)
class Brought:
    """How a report came: the domain in From, whether DMARC passed for it, when (seconds since the epoch)."""

    sender: str
    authentic: bool
    received: float


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. since: seconds since the epoch, of the end of what is reported."""

    since: float
    kind: str | None = None
    domain: str | None = None


async def keep(tables: Tables, report: Report, brought: Brought) -> bool:
    """Keep a report; whether it was new, and there was room."""
    key = {
        "kind": report.kind,
        "domain": report.domain,
        "reporter": report.reporter,
        "identity": report.identity,
    }

    # The oldest go first, so that their numbers say how many there are, without counting them.
    span = select(func.max(LINE.c.id) - func.min(LINE.c.id))

    def work(db: Connection) -> bool:
        if db.execute(select(REPORT.c.id).filter_by(**key)).first() is not None:
            return False
        if int(db.execute(span).scalar() or 0) > MAX_KEPT:
            return False
        made = db.execute(
            insert(REPORT).values(**key, begin=report.begin, end=report.end, **asdict(brought))
        ).inserted_primary_key
        assert made is not None
        if report.lines:
            db.execute(insert(LINE), [asdict(each) | {"report_id": made[0]} for each in report.lines])
        return True

    return await tables.write(work)


async def forget(tables: Tables, before: float) -> None:
    """Remove reports of what ended before that moment."""
    old = select(REPORT.c.id).where(REPORT.c.end < int(before))

    def work(db: Connection) -> None:
        db.execute(delete(LINE).where(LINE.c.report_id.in_(old)))
        db.execute(delete(REPORT).where(REPORT.c.end < int(before)))

    await tables.write(work)


async def summary(tables: Tables, question: Question) -> Sequence[Any]:
    """A row for each kind and domain: reports, reporters, count, passed."""
    passed = func.sum(LINE.c.count).filter(LINE.c.passed)
    counted = (
        select(
            REPORT.c.kind,
            REPORT.c.domain,
            func.count(REPORT.c.id.distinct()).label("reports"),
            func.count(REPORT.c.reporter.distinct()).label("reporters"),
            func.coalesce(func.sum(LINE.c.count), 0).label("total"),
            func.coalesce(passed, 0).label("passed"),
        )
        .join(LINE, LINE.c.report_id == REPORT.c.id, isouter=True)
        .where(*_wanted(question))
        .group_by(REPORT.c.kind, REPORT.c.domain)
        .order_by(REPORT.c.kind, REPORT.c.domain)
    )
    return await tables.read(lambda db: db.execute(counted).all())


async def failures(tables: Tables, question: Question, limit: int) -> Sequence[Any]:
    """What did not pass, the most first: kind, domain, source, outcome, detail, total, reporters."""
    counted = (
        select(
            REPORT.c.kind,
            REPORT.c.domain,
            LINE.c.source,
            LINE.c.outcome,
            LINE.c.detail,
            func.sum(LINE.c.count).label("total"),
            func.count(REPORT.c.reporter.distinct()).label("reporters"),
        )
        .join(LINE, LINE.c.report_id == REPORT.c.id)
        .where(*_wanted(question), ~LINE.c.passed)
        .group_by(REPORT.c.kind, REPORT.c.domain, LINE.c.source, LINE.c.outcome, LINE.c.detail)
        .order_by(func.sum(LINE.c.count).desc(), LINE.c.source)
        .limit(limit)
    )
    return await tables.read(lambda db: db.execute(counted).all())


async def kept(tables: Tables, question: Question, limit: int) -> Sequence[Any]:
    """The reports themselves, the newest first."""
    chosen = select(REPORT).where(*_wanted(question)).order_by(REPORT.c.end.desc(), REPORT.c.id).limit(limit)
    return await tables.read(lambda db: db.execute(chosen).all())


def _wanted(question: Question) -> list[Any]:
    wanted: list[Any] = [REPORT.c.end >= int(question.since)]
    if question.kind is not None:
        wanted.append(REPORT.c.kind == question.kind)
    if question.domain is not None:
        wanted.append(REPORT.c.domain == question.domain.lower())
    return wanted
