"""Whose turn it is, and who is spared: decided without a server."""

from __future__ import annotations

from collections import Counter

import pytest

from hub.delivery.priority import priority_of
from hub.loading.commons import CommonMemory
from hub.loading.traffic import Traffic
from hub.mail.address import Address
from hub.relay.answers import failed
from hub.relay.backoff import Backoff
from hub.relay.claims import Job
from hub.relay.crowd import LATEST, Crowd
from hub.relay.destinations import ELSEWHERE, Destination, Destinations
from hub.relay.hops import Hop
from hub.relay.limits import Gate
from hub.relay.unreachable import Unreachable
from hub.services.queue import AUTOMATIC, BULK, PERSONAL, QueueRow

LATER = failed("4.7.1", "later", "mx.test")


def job(destination: str, sender: str = "alice", priority: int = PERSONAL, message: str = "m") -> Job:
    row = QueueRow(
        1,
        message,
        Address(sender, "example.test"),
        Address("ann", destination),
        "store:1",
        10,
        20,
        0.0,
        "queued",
        priority=priority,
    )
    return Job(1, destination, [row])


def of(traffic: Traffic, most: int = 2, per_minute: int | None = None) -> Destinations:
    """Those of one worker."""
    return Destinations(
        lambda name: Destination(
            name, Gate(traffic, f"to {name}", most, per_minute), Backoff(most, float(most))
        )
    )


@pytest.fixture
def destinations() -> Destinations:
    return of(Traffic())


def sent(destinations: Destinations, count: int) -> list[tuple[str, str]]:
    """Who goes, one after the other, with nobody waiting for an answer."""
    found = []
    for _ in range(count):
        destination = destinations.next(0.0)
        assert destination is not None
        taken = destination.take()
        found.append((destination.name, taken.sender.partition("@")[0]))
    return found


def test_the_more_urgent_comes_first_and_equals_take_turns(
    destinations: Destinations,
) -> None:
    for _ in range(3):
        destinations.put(job("a.test", "bob"))
        destinations.put(job("b.test", "bob", BULK))
    destinations.put(job("c.test", "bob"))
    destinations.put(job("a.test", "carol"))
    assert sent(destinations, 5) == [
        ("a.test", "bob"),
        ("c.test", "bob"),
        ("a.test", "carol"),
        ("a.test", "bob"),
        ("a.test", "bob"),
    ]
    assert sent(destinations, 3) == [("b.test", "bob")] * 3


def test_room_is_made_of_what_one_destination_or_one_sender_has_too_much_of(
    destinations: Destinations,
) -> None:
    for number in range(20):
        destinations.put(job("big.test", "news"))
        destinations.put(job(f"d{number}.test", "spread"))
    destinations.put(job("other.test", "news"))
    destinations.put(job("big.test", "carol"))
    out = destinations.excess(10)
    assert Counter(each.sender.partition("@")[0] for each in out) == {"news": 11, "spread": 10}
    left = Counter(waiting.destination for each in destinations for waiting in each.waiting())
    assert left["big.test"] == 10
    assert left["other.test"] == 1  # the first for another destination
    assert sum(map(len, destinations)) == 21


def test_what_is_given_back_comes_when_its_turn_does() -> None:
    crowd = Crowd(0.0)
    for _ in range(20):
        crowd.done(job("big.test"))
    given = [job("big.test") for _ in range(10)]
    booked = list(crowd.book(given, 10.0).values())  # two a second so far
    assert booked == pytest.approx([1.5 + number / 2 for number in range(10)])
    more = list(crowd.book([job("big.test") for _ in range(1000)], 11.0).values())
    assert more[0] > booked[-1] - 1
    assert max(more) == LATEST


def test_trouble_takes_connections_away_and_a_message_that_is_taken_gives_them_back() -> None:
    backoff = Backoff(8, 8.0)
    seen = []
    for _ in range(4):
        backoff.went_wrong(LATER, 0.0, 30.0, is_there=True)
        seen.append(backoff.connections)
    assert seen == [4, 2, 1, 1]
    assert backoff.suspended(26.0) == LATER
    assert backoff.suspended(34.0) is None
    backoff.went_wrong(LATER, 40.0, 30.0, is_there=True)
    assert backoff.suspended(40.0 + 53) == LATER  # twice as long
    for _ in range(40):
        backoff.went_well()
    assert backoff.connections == 8
    backoff.went_wrong(LATER, 200.0, 30.0, is_there=False)
    assert backoff.connections == 1
    assert backoff.suspended(201.0) == LATER


def test_a_rate_lets_a_little_go_at_once_and_then_one_by_one() -> None:
    gate = Gate(Traffic(), "to a.test", 1, 60)
    for _ in range(5):
        assert gate.wait(0.0) == 0.0
        gate.count(0.0)
    assert gate.wait(0.0) == pytest.approx(1.0)
    assert gate.wait(1.0) == pytest.approx(0.0)


def test_a_rate_slower_than_a_burst_lets_one_go_after_the_other() -> None:
    gate = Gate(Traffic(), "to a.test", 1, 6)
    gate.count(100.0)
    assert gate.wait(100.0) == pytest.approx(10.0)
    assert gate.wait(109.0) == pytest.approx(1.0)
    assert gate.wait(110.0) == 0.0


@pytest.mark.proves("sending: a domain's connections and rate are those of all workers together")
def test_workers_share_the_connections_and_the_rate_of_a_destination() -> None:
    memory = CommonMemory(2)
    here, there = (of(memory.of(number).traffic, per_minute=6) for number in (0, 1))
    for workers in (here, there):
        for _ in range(2):
            workers.put(job("a.test"))
    first = there.next(0.0)
    assert first is not None
    first.begin()
    first.gate.count(0.0)
    first.take()
    assert here.next(0.0) is None
    assert here.wait(0.0) == pytest.approx(10.0), "the other one has sent a message"
    own = here.next(10.0)
    assert own is not None
    own.begin()
    own.take()
    for workers in (here, there):
        assert workers.next(20.0) is None
        assert workers.wait(20.0) == ELSEWHERE, "each has one of the two connections"
    first.end()
    assert here.next(20.0) is own


def test_servers_that_are_not_there_come_last_and_one_of_them_at_most() -> None:
    first, second, third = (Hop(f"mx{number}.test", f"192.0.2.{number}") for number in range(3))
    unreachable = Unreachable()
    unreachable.mark(first, 0.0, 60.0)
    unreachable.mark(second, 10.0, 60.0)
    assert unreachable.order([first, second, third], 20.0) == [third, first]
    assert unreachable.order([first, second, third], 65.0) == [first, third, second]
    unreachable.mark(first, 65.0, 60.0)
    assert unreachable.order([first, third], 65.0 + 119) == [third, first]
    unreachable.clear(first)
    assert unreachable.order([first, third], 65.0) == [first, third]


@pytest.mark.parametrize(
    ("head", "sender", "recipients", "expected"),
    [
        (b"Subject: Hello\r\n\r\n", "alice@example.test", 1, PERSONAL),
        (b"Auto-Submitted: no\r\n\r\n", "alice@example.test", 49, PERSONAL),
        (b"Auto-Submitted: auto-replied (holiday)\r\n\r\n", "alice@example.test", 1, AUTOMATIC),
        (b"Subject: Report\r\n\r\n", None, 1, AUTOMATIC),
        (b"Precedence: Bulk\r\n\r\n", "alice@example.test", 1, BULK),
        (b"List-Id: <l.example.test>\r\n\r\n", "alice@example.test", 1, BULK),
        (b"Subject: All\r\n\r\n", "alice@example.test", 50, BULK),
    ],
)
def test_people_come_before_machines(head: bytes, sender: str | None, recipients: int, expected: int) -> None:
    path = None if sender is None else Address.parse(sender)
    assert priority_of(head, path, recipients) == expected
