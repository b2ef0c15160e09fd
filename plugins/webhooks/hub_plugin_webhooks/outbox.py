"""What is to be sent and what was given up, in a table of the hub's database.

A row is one event for one endpoint. It is removed once the endpoint has taken it; a dead one waits for the
operator. Plain functions over a connection, for `Tables`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

METADATA: Final = MetaData()

# lane: of one only one event is sent at a time, in the order of id. due: when it is to be tried next. holds:
# until when it holds up later ones of its lane, once it was tried; before that it always does.
EVENT: Final = Table(
    "webhooks_event",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("event", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("lane", String(600), nullable=False),
    Column("body", Text, nullable=False),
    Column("traceparent", String(64), nullable=False),
    Column("created", Float, nullable=False),
    Column("dead", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Column("holds", Float, nullable=False),
    Column("answer", String(500), nullable=False),
    UniqueConstraint("endpoint", "event"),
    Index("webhooks_due", "endpoint", "dead", "due"),
)

FULL: Final = "never sent: too many events waited for this endpoint"
_WINDOW: Final = 200
"""Rows that are looked at to find those that can be sent now."""
_ALL: Final = tuple(EVENT.c)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that was not sent yet, or was given up."""

    id: int
    endpoint: str
    event: str
    kind: str
    lane: str
    body: str
    traceparent: str
    created: float
    dead: bool
    tries: int
    due: float
    holds: float
    answer: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What is kept for one endpoint. oldest: when the first of the waiting ones was written."""

    waiting: int
    dead: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event for one endpoint, about to be kept."""

    endpoint: str
    event: str
    kind: str
    lane: str
    body: str
    traceparent: str = ""


def add(connection: Connection, rows: Sequence[NewEvent], now: float, most: int) -> int:
    """Keep what is not there yet; how many of the oldest dead letters had to go for it.

    most: how many of an endpoint may wait; what is more is a dead letter at once, of which as many are kept.
    """
    dropped = 0
    for endpoint in {row.endpoint for row in rows}:
        wanted = {row.event: row for row in rows if row.endpoint == endpoint}
        known = connection.execute(
            select(EVENT.c.event).where(EVENT.c.endpoint == endpoint, EVENT.c.event.in_(wanted))
        )
        for (event,) in known.all():
            del wanted[event]
        if not wanted:
            continue
        room = max(0, most - _count(connection, endpoint, dead=False))
        connection.execute(
            insert(EVENT),
            [
                {
                    "endpoint": endpoint,
                    "event": row.event,
                    "kind": row.kind,
                    "lane": row.lane,
                    "body": row.body,
                    "traceparent": row.traceparent,
                    "created": now,
                    "dead": number >= room,
                    "tries": 0,
                    "due": now,
                    "holds": 0.0,
                    "answer": FULL if number >= room else "",
                }
                for number, row in enumerate(wanted.values())
            ],
        )
        if len(wanted) > room:
            dropped += _drop_oldest(connection, endpoint, most)
    return dropped


def due(
    connection: Connection, endpoint: str, now: float, busy: Collection[str], most: int
) -> Sequence[Waiting]:
    """What can be sent now, the oldest first, at most one of each lane and none of those that are busy."""
    held = select(EVENT.c.lane).where(
        EVENT.c.endpoint == endpoint, ~EVENT.c.dead, EVENT.c.due > now, EVENT.c.holds > now
    )
    query = (
        select(*_ALL)
        .where(
            EVENT.c.endpoint == endpoint,
            ~EVENT.c.dead,
            EVENT.c.due <= now,
            EVENT.c.lane.not_in(held),
            EVENT.c.lane.not_in(list(busy)),
        )
        .order_by(EVENT.c.id)
        .limit(_WINDOW)
    )
    found: dict[str, Waiting] = {}
    for row in connection.execute(query):
        found.setdefault(row.lane, _waiting(row))
    return list(found.values())[:most]


def taken(connection: Connection, id_: int) -> None:
    """The endpoint has it."""
    connection.execute(delete(EVENT).where(EVENT.c.id == id_))


def failed(
    connection: Connection, event: Waiting, answer: str, *, due: float, holds: float, dead: bool
) -> None:
    """One more attempt was in vain. holds: counts from the first."""
    connection.execute(
        update(EVENT)
        .where(EVENT.c.id == event.id)
        .values(
            tries=event.tries + 1,
            due=due,
            holds=event.holds if event.tries else holds,
            dead=dead,
            answer=answer[:500],
        )
    )


def tallies(connection: Connection) -> dict[str, Tally]:
    """What is kept, for each endpoint of which there is anything."""
    query = select(EVENT.c.endpoint, EVENT.c.dead, func.count(), func.min(EVENT.c.created)).group_by(
        EVENT.c.endpoint, EVENT.c.dead
    )
    found: dict[str, Tally] = {}
    for endpoint, dead, count, oldest in connection.execute(query):
        known = found.get(endpoint, Tally(0, 0, None))
        found[endpoint] = (
            Tally(known.waiting, count, known.oldest) if dead else Tally(count, known.dead, oldest)
        )
    return found


def listed(connection: Connection, endpoint: str, limit: int) -> Sequence[Waiting]:
    """What is kept for an endpoint, the dead first, then the oldest."""
    query = (
        select(*_ALL)
        .where(EVENT.c.endpoint == endpoint)
        .order_by(EVENT.c.dead.desc(), EVENT.c.id)
        .limit(limit)
    )
    return [_waiting(row) for row in connection.execute(query)]


def of_event(connection: Connection, event: str) -> Sequence[Waiting]:
    """One event, for each endpoint that has not taken it."""
    query = select(*_ALL).where(EVENT.c.event == event).order_by(EVENT.c.endpoint)
    return [_waiting(row) for row in connection.execute(query)]


def replay(connection: Connection, endpoint: str | None, events: Collection[str], now: float) -> int:
    """Dead letters wait again, as if they were new; how many. Without events: all of the endpoint."""
    statement = update(EVENT).where(EVENT.c.dead, *_chosen(endpoint, events))
    return connection.execute(statement.values(dead=False, tries=0, due=now, holds=0.0)).rowcount


def drop(
    connection: Connection, endpoint: str | None, events: Collection[str], *, waiting: bool = False
) -> int:
    """Forget dead letters, and with `waiting` what is still to be sent; how many."""
    kinds = () if waiting else (EVENT.c.dead,)
    return connection.execute(delete(EVENT).where(*kinds, *_chosen(endpoint, events))).rowcount


def _chosen(endpoint: str | None, events: Collection[str]) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = []
    if endpoint is not None:
        chosen.append(EVENT.c.endpoint == endpoint)
    if events:
        chosen.append(EVENT.c.event.in_(list(events)))
    assert chosen, "all events of all endpoints are never meant"
    return chosen


def _count(connection: Connection, endpoint: str, *, dead: bool) -> int:
    query = select(func.count()).where(EVENT.c.endpoint == endpoint, EVENT.c.dead == dead)
    return int(connection.execute(query).scalar_one())


def _drop_oldest(connection: Connection, endpoint: str, most: int) -> int:
    excess = _count(connection, endpoint, dead=True) - most
    if excess <= 0:
        return 0
    oldest = (
        select(EVENT.c.id)
        .where(EVENT.c.endpoint == endpoint, EVENT.c.dead)
        .order_by(EVENT.c.id)
        .limit(excess)
    )
    return connection.execute(delete(EVENT).where(EVENT.c.id.in_(oldest))).rowcount


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(*row)  # type: ignore[call-arg]  # the columns in their order
