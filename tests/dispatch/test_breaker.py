"""Who fails again and again is left alone for a while."""

import asyncio

import pytest

from hub.dispatch.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker
from hub.dispatch.failure import Failure
from hub.mail.envelope import Envelope
from hub.mail.verdict import Reject
from hub.testing.clock import ManualClock

from .conftest import MakeStep

Changes = list[tuple[bool, str, str]]


@pytest.fixture
def breaker(manual_clock: ManualClock, changes: Changes) -> Breaker:
    return Breaker(manual_clock.monotonic, lambda *change: changes.append(change))


def fail(breaker: Breaker, *subjects: object) -> None:
    for subject in subjects:
        if ticket := breaker.admit():
            breaker.failed(ticket, "smtp_rcpt", subject, "ValueError: x")


async def test_it_opens_after_five_failures_about_different_messages(
    breaker: Breaker, changes: Changes
) -> None:
    fail(breaker, *range(FAILURES - 1))
    assert breaker.admit()
    fail(breaker, "last")
    assert breaker.open
    assert not breaker.admit()
    assert changes == [(True, "smtp_rcpt", "ValueError: x")]


async def test_one_message_sent_again_and_again_counts_once(breaker: Breaker) -> None:
    fail(breaker, *["same"] * 50)
    assert not breaker.open


async def test_a_success_between_them_forgives(breaker: Breaker) -> None:
    fail(breaker, *range(FAILURES - 1))
    breaker.succeeded(breaker.admit(), "smtp_rcpt")
    fail(breaker, *range(FAILURES - 1))
    assert not breaker.open


async def test_after_the_pause_one_probe_is_let_in_and_its_success_closes_it(
    breaker: Breaker, manual_clock: ManualClock, changes: Changes
) -> None:
    fail(breaker, *range(FAILURES))
    await manual_clock.turn(FIRST_PAUSE - 0.1)
    assert not breaker.admit()
    await manual_clock.turn(0.1)
    probe = breaker.admit()
    assert probe
    assert not breaker.admit()
    breaker.succeeded(probe, "smtp_rcpt")
    assert not breaker.open
    assert changes[1:] == [(False, "smtp_rcpt", "a probe succeeded")]
    fail(breaker, *range(FAILURES - 1))
    assert not breaker.open


async def test_a_failed_probe_doubles_the_pause_up_to_five_minutes(
    breaker: Breaker, manual_clock: ManualClock
) -> None:
    fail(breaker, *range(FAILURES))
    pause = FIRST_PAUSE
    for _ in range(10):
        await manual_clock.turn(pause)
        fail(breaker, "probe")
        pause = min(2 * pause, LONGEST_PAUSE)
        await manual_clock.turn(pause - 0.1)
        assert not breaker.admit()
        await manual_clock.turn(0.1)
        ticket = breaker.admit()
        assert ticket
        breaker.abandoned(ticket)
    assert pause == LONGEST_PAUSE


async def test_an_abandoned_probe_is_tried_anew_at_once(breaker: Breaker, manual_clock: ManualClock) -> None:
    fail(breaker, *range(FAILURES))
    await manual_clock.turn(FIRST_PAUSE)
    breaker.abandoned(breaker.admit())
    assert breaker.admit()


async def test_what_began_before_it_opened_neither_closes_it_nor_makes_the_pause_longer(
    breaker: Breaker, manual_clock: ManualClock
) -> None:
    tickets = [breaker.admit() for _ in range(50)]
    for number, ticket in enumerate(tickets[:-1]):
        breaker.failed(ticket, "smtp_rcpt", number, "x")
    assert breaker.open
    breaker.succeeded(tickets[-1], "smtp_rcpt")
    assert breaker.open
    await manual_clock.turn(FIRST_PAUSE)
    assert breaker.admit()


async def test_retired_it_lets_nobody_in_and_waits_for_who_is_inside(breaker: Breaker) -> None:
    ticket = breaker.admit()
    retiring = asyncio.ensure_future(breaker.retire(5))
    await asyncio.sleep(0)
    assert not breaker.admit()
    assert not retiring.done()
    breaker.succeeded(ticket, "smtp_rcpt")
    assert await retiring
    assert not breaker.open
    assert not breaker.admit()


async def test_retiring_gives_up_on_who_stays_inside(breaker: Breaker) -> None:
    breaker.admit()
    assert not await breaker.retire(0.01)


async def test_an_open_breaker_answers_by_the_failure_rule_without_asking(
    make_step: MakeStep, manual_clock: ManualClock
) -> None:
    asked = []
    broken = True

    async def implementation(envelope: Envelope) -> Reject | None:
        asked.append(envelope.id)
        if broken:
            raise ValueError
        return None

    step = make_step(implementation)
    for number in range(FAILURES + 3):
        outcome = await step.run(None, {"envelope": Envelope(f"m{number}", None)})
        assert isinstance(outcome, Failure)
    assert len(asked) == FAILURES
    assert isinstance(outcome, Failure)
    assert outcome.reason == "its breaker is open"
    broken = False
    await manual_clock.turn(FIRST_PAUSE)
    assert await step.run(None, {"envelope": Envelope("probe", None)}) is None
    assert not step.breaker.open
