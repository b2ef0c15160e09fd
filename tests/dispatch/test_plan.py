"""How the modes run their steps and what a failed one counts as."""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from hub.dispatch.failure import HookFailed
from hub.dispatch.notify import BOUND, Notifier
from hub.dispatch.plan import (
    Answer,
    ChainPlan,
    CollectPlan,
    FirstPlan,
    NotifyPlan,
    Plan,
    check_arguments,
)
from hub.dispatch.step import Step
from hub.hooks.markers import OnFailure
from hub.log import SESSION
from hub.mail.verdict import Accept, Reject
from hub.testing.clock import settle
from hub.trace.record import Trace

from .conftest import MakeStep

NONE: frozenset[str] = frozenset()


def says(value: object, seen: list[object] | None = None) -> Callable[..., object]:
    async def implementation() -> object:
        if seen is not None:
            seen.append(value)
        if isinstance(value, BaseException):
            raise value
        return value

    return implementation


NO, LATER = Reject("5.7.1", "no"), Reject("5.7.1", "later")


async def first(*steps: Step) -> object:
    plan = cast("FirstPlan[[], object]", FirstPlan("smtp_rcpt", NONE, steps))
    return await plan(None)


async def test_first_stops_at_the_first_answer(make_step: MakeStep) -> None:
    seen: list[object] = []
    steps = [make_step(says(value, seen)) for value in (None, NO, LATER)]
    assert await first(*steps) == NO
    assert seen == [None, NO]


async def test_first_without_an_answer_gives_none_and_without_steps_is_false(make_step: MakeStep) -> None:
    assert await first(make_step(says(None))) is None
    assert not FirstPlan("smtp_rcpt", NONE, ())
    assert FirstPlan("smtp_rcpt", NONE, (make_step(says(None)),))


async def test_a_failed_step_is_skipped_or_ends_the_plan_as_its_rule_says(make_step: MakeStep) -> None:
    broken = says(ValueError("secret"))
    assert await first(make_step(broken), make_step(says(NO))) == NO
    with pytest.raises(HookFailed) as caught:
        await first(make_step(broken, on_failure=OnFailure.TEMPFAIL), make_step(says(NO)))
    assert caught.value.failure.reason == "ValueError: secret"


async def test_what_was_accepted_before_a_failure_stays(make_step: MakeStep) -> None:
    broken = make_step(says(ValueError()), on_failure=OnFailure.TEMPFAIL)
    assert await first(make_step(says(Accept())), broken) == Accept()


async def collect(*steps: Step) -> list[Answer[object]]:
    plan = cast("CollectPlan[[], object]", CollectPlan("check_message", NONE, steps))
    return list(await plan(None))


async def test_collect_runs_side_by_side_and_answers_in_the_order_of_the_steps(make_step: MakeStep) -> None:
    together = asyncio.Barrier(3)

    def meets(value: Reject | None) -> Callable[..., object]:
        async def implementation() -> Reject | None:
            await together.wait()
            return value

        return implementation

    answers = await collect(*(make_step(meets(value)) for value in (NO, None, LATER)))
    assert [answer.value for answer in answers] == [NO, LATER]


@pytest.mark.parametrize("others", [0, 2])
async def test_collect_names_the_failures_that_count(make_step: MakeStep, others: int) -> None:
    broken = make_step(says(ValueError("x")), on_failure=OnFailure.TEMPFAIL)
    skipped = make_step(says(ValueError("y")))
    (answer,) = await collect(broken, *[skipped] * others)
    assert answer.failure is not None
    assert answer.failure.reason == "ValueError: x"


async def test_a_cancelled_collect_takes_its_steps_with_it(make_step: MakeStep) -> None:
    ended = []

    async def implementation() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    task = asyncio.ensure_future(collect(make_step(implementation), make_step(implementation)))
    await settle(3)
    task.cancel()
    await asyncio.wait((task,))
    await settle(3)
    assert task.cancelled()
    assert ended == [True, True]


async def test_chain_hands_each_the_last_value(make_step: MakeStep) -> None:
    def adds(text: str) -> Callable[..., object]:
        async def implementation(value: Reject) -> Reject | None:
            return Reject("5.7.1", value.text + text) if text else None

        return implementation

    async def broken(value: Reject) -> Reject:
        raise ValueError

    steps = tuple(make_step(function) for function in (adds("b"), adds(""), broken, adds("c")))
    plan = cast("ChainPlan[..., object]", ChainPlan("rewrite_x", frozenset({"value"}), steps, "value"))
    assert await plan(None, value=Reject("5.7.1", "a")) == Reject("5.7.1", "abc")
    stopping = make_step(broken, on_failure=OnFailure.TEMPFAIL)
    plan = cast("ChainPlan[..., object]", ChainPlan("rewrite_x", frozenset({"value"}), (stopping,), "value"))
    with pytest.raises(HookFailed):
        await plan(None, value=NO)


async def test_notify_is_not_waited_for_and_keeps_its_order(make_step: MakeStep) -> None:
    seen: list[object] = []

    async def implementation(fact: int) -> None:
        await asyncio.sleep(0)
        seen.append(fact)

    notifier = Notifier()
    plan = cast(
        "NotifyPlan[...]",
        NotifyPlan("message_accepted", frozenset({"fact"}), (make_step(implementation),), (notifier,)),
    )
    for fact in range(5):
        plan(fact=fact)
    assert seen == []
    await notifier.drain(5)
    assert seen == [0, 1, 2, 3, 4]


async def test_a_fact_is_logged_with_the_session_that_it_came_from() -> None:
    notifier, seen = Notifier(), []

    async def tell() -> None:
        seen.append(SESSION.get())

    for session in ("s1", "s2"):
        SESSION.set(session)
        notifier.put(tell)
    await notifier.drain(5)
    assert seen == ["s1", "s2"]


async def test_too_many_facts_are_dropped_and_counted() -> None:
    notifier, release = Notifier(), asyncio.Event()

    async def tell() -> None:
        await release.wait()

    notifier.put(tell)
    await settle(2)
    for _ in range(BOUND + 7):
        notifier.put(tell)
    assert notifier.dropped == 7
    await notifier.drain(0.01)
    assert notifier.dropped == 7 + BOUND


async def test_calls_that_no_type_checker_has_seen_are_checked() -> None:
    plan = Plan("smtp_rcpt", frozenset({"session", "recipient"}), ())
    check_arguments(plan, {"session": 1, "recipient": 2})
    with pytest.raises(TypeError, match=r"missing \['session'\], unknown \['rcpt'\]"):
        check_arguments(plan, {"rcpt": 1, "recipient": 2})


async def test_collect_cancels_who_still_runs_once_the_outcome_is_settled(make_step: MakeStep) -> None:
    ended: list[str] = []

    async def slow() -> object:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("slow")
        return NO

    steps = (make_step(slow), make_step(says(LATER)), make_step(says(NO)))
    plan = cast("CollectPlan[[], Reject]", CollectPlan("check_message", NONE, steps))
    asked: list[tuple[list[object], int]] = []

    def settled(answers: Sequence[Answer[Reject]], running: Sequence[Step]) -> bool:
        asked.append(([each.value for each in answers], len(running)))
        return True

    trace = Trace("s")
    answers = await plan.until(trace, settled)
    assert [each.value for each in answers] == [LATER, NO]
    assert ended == ["slow"]
    assert asked == [([LATER, NO], 1)]
    records, _ = trace.take()
    assert ("check_message", "cancelled") in [(record[3], record[5]) for record in records]
