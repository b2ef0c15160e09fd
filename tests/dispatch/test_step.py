"""One plugin's part in a plan: whatever it does, the hub gets an answer in time and keeps its task."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from hub.dispatch.failure import Failure
from hub.hooks.plugin import Plugin
from hub.mail.message import Message
from hub.mail.verdict import Reject
from hub.trace.record import Trace

from .conftest import MakeStep

NO = Reject("5.7.1", "no")
_never = 60.0


async def run(make_step: MakeStep, function: Callable[..., object], **options: object) -> Failure:
    """The failure that a function without arguments ends in."""
    outcome = await make_step(function, **options).run(None, {})  # type: ignore[arg-type]
    assert isinstance(outcome, Failure)
    return outcome


async def test_it_gets_only_the_arguments_that_it_names(make_step: MakeStep) -> None:
    async def implementation(plugin: Plugin, recipient: str) -> Reject:
        return Reject("5.7.1", f"{plugin.name} {recipient}")

    outcome = await make_step(implementation).run(None, {"recipient": "bob", "envelope": "unseen"})
    assert outcome == Reject("5.7.1", "test bob")


async def test_an_exception_is_a_failure_with_its_line(make_step: MakeStep) -> None:
    async def implementation() -> None:
        await asyncio.sleep(0)
        raise ValueError("secret")

    failure = await run(make_step, implementation)
    assert failure.reason == "ValueError: secret"
    line = implementation.__code__.co_firstlineno + 2
    assert failure.where == f"{__file__}:{line}"


async def test_a_plain_function_s_exception_is_one_too(make_step: MakeStep) -> None:
    def implementation() -> None:
        raise ValueError("secret")

    failure = await run(make_step, implementation)
    assert failure.reason == "ValueError: secret"
    assert failure.where == f"{__file__}:{implementation.__code__.co_firstlineno + 1}"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, BaseException])
async def test_no_exception_of_a_plugin_leaves_the_step(
    make_step: MakeStep, kind: type[BaseException]
) -> None:
    async def at_once() -> None:
        raise kind("x")

    async def later() -> None:
        await asyncio.sleep(0)
        raise kind("x")

    def plain() -> None:
        raise kind("x")

    for function in (at_once, later, plain):
        failure = await run(make_step, function)
        assert kind.__name__ in failure.reason


async def test_an_exception_that_cannot_be_printed_is_a_failure(make_step: MakeStep) -> None:
    class Worse(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    async def implementation() -> None:
        raise Worse

    assert (await run(make_step, implementation)).reason == "Worse: (its text cannot be had: RuntimeError)"


async def test_a_hang_ends_at_the_deadline(make_step: MakeStep) -> None:
    async def implementation() -> None:
        await asyncio.sleep(_never)

    failure = await run(make_step, implementation, timeout=0.02)
    assert failure.reason == "no answer within 0.02 s"
    assert failure.where == f"{__file__}:{implementation.__code__.co_firstlineno + 1}"


async def test_past_the_deadline_it_may_clean_up(make_step: MakeStep) -> None:
    closed = []

    async def implementation() -> None:
        try:
            await asyncio.sleep(_never)
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    assert "no answer" in (await run(make_step, implementation, timeout=0.02)).reason
    assert closed == [True]


async def test_an_answer_after_the_deadline_is_none(make_step: MakeStep) -> None:
    async def implementation() -> Reject:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(_never)
        return NO

    assert "no answer" in (await run(make_step, implementation, timeout=0.02)).reason


async def test_who_catches_every_cancellation_is_closed_where_it_stands(
    make_step: MakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.dispatch.driving.CLEANUP", 0.02)
    caught = []

    async def implementation() -> None:
        while True:
            try:
                await asyncio.sleep(_never)
            except asyncio.CancelledError:
                caught.append(True)

    async with asyncio.timeout(30):
        assert "no answer" in (await run(make_step, implementation, timeout=0.02)).reason
    assert caught == [True]


async def test_who_waits_even_while_it_is_closed_is_left_behind(
    make_step: MakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.dispatch.driving.CLEANUP", 0.02)

    async def implementation() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(_never)
            except BaseException:
                continue

    assert "no answer" in (await run(make_step, implementation, timeout=0.02)).reason


async def test_cancelling_its_own_task_does_not_cancel_ours(make_step: MakeStep) -> None:
    async def at_once() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def waiting() -> None:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(_never)

    async def raising() -> None:
        raise asyncio.CancelledError

    async def awaiting_a_cancelled_task() -> None:
        other = asyncio.ensure_future(asyncio.sleep(_never))
        asyncio.get_running_loop().call_soon(other.cancel)
        await other

    for function in (at_once, waiting, raising, awaiting_a_cancelled_task):
        assert (await run(make_step, function)).reason == "it cancelled itself", function
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)  # nothing is delivered late


async def test_its_own_timeouts_and_task_groups_work(make_step: MakeStep) -> None:
    async def implementation() -> Reject:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(_never)
        except TimeoutError:
            pass
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_fail())
                await asyncio.sleep(_never)
        except* ValueError:
            pass
        return NO

    assert await make_step(implementation).run(None, {}) == NO


async def _fail() -> None:
    raise ValueError


@pytest.mark.parametrize("swallows", [False, True])
async def test_a_cancellation_from_outside_ends_the_call(make_step: MakeStep, swallows: bool) -> None:
    began = asyncio.Event()

    async def implementation() -> Reject:
        began.set()
        try:
            await asyncio.sleep(_never)
        except asyncio.CancelledError:
            if not swallows:
                raise
        return NO

    step = make_step(implementation)
    task = asyncio.ensure_future(step.run(None, {}))
    await began.wait()
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert not step.breaker.open


async def test_a_timeout_around_the_plan_still_works(make_step: MakeStep) -> None:
    async def implementation() -> None:
        await asyncio.sleep(_never)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await make_step(implementation).run(None, {})


@pytest.mark.parametrize("result", [True, "550 no", 1, object(), ("5.7.1", "no")])
async def test_a_result_of_the_wrong_type_is_a_failure(make_step: MakeStep, result: object) -> None:
    async def implementation() -> object:
        return result

    failure = await run(make_step, implementation)
    wanted = "not Accept or Reject or Defer or None. See: hub hooks smtp_rcpt"
    assert failure.reason == f"it returned {type(result).__name__}, {wanted}"


async def test_a_result_that_raises_when_it_is_looked_at_is_a_failure(make_step: MakeStep) -> None:
    class Nasty:
        def __getattribute__(self, name: str) -> object:
            raise RuntimeError("boo")

    async def implementation() -> object:
        return Nasty()

    assert (await run(make_step, implementation)).reason == "RuntimeError: boo"


async def test_a_plain_function_that_returns_a_coroutine_is_told_so(make_step: MakeStep) -> None:
    async def other() -> None: ...

    def implementation() -> object:
        return other()

    assert (await run(make_step, implementation)).reason.startswith("it returned coroutine, not")


async def test_a_plain_function_runs_in_a_thread_of_the_plugin(make_step: MakeStep) -> None:
    def implementation() -> Reject:
        return Reject("5.7.1", threading.current_thread().name)

    assert await make_step(implementation).run(None, {}) == Reject("5.7.1", "test-0")


async def test_a_hung_thread_keeps_its_slot_and_when_all_hang_a_call_fails_at_once_with_the_stacks(
    make_step: MakeStep,
) -> None:
    release = threading.Event()

    def implementation() -> None:
        release.wait(10)

    step = make_step(implementation, timeout=0.02, threads=2)
    try:
        for _ in range(2):
            failure = await step.run(None, {})
            assert isinstance(failure, Failure)
            assert failure.reason.startswith("no answer within 0.02 s")
            assert "release.wait(10)" in failure.reason
        assert (step.threads.busy, step.threads.hung) == (2, 2)
        full = await step.run(None, {})
        assert isinstance(full, Failure)
        assert full.reason.startswith("PoolFull: all 2 threads hang")
        assert "release.wait(10)" in full.reason
    finally:
        release.set()
    while step.threads.busy:
        await asyncio.sleep(0.001)
    assert step.threads.hung == 0
    assert await step.run(None, {}) is None


async def test_a_call_waits_for_a_busy_thread_and_one_that_was_given_up_in_the_queue_never_runs(
    make_step: MakeStep,
) -> None:
    release = threading.Event()
    ran: list[int] = []

    def implementation() -> None:
        ran.append(1)
        release.wait(10)

    patient = make_step(implementation, timeout=10, threads=2)
    hasty = replace(patient, timeout=0.02)
    waiting = [asyncio.create_task(patient.run(None, {})) for _ in range(5)]
    while patient.threads.busy < 2:
        await asyncio.sleep(0)
    assert isinstance(await hasty.run(None, {}), Failure)
    assert patient.threads.hung == 0
    release.set()
    assert await asyncio.gather(*waiting) == [None] * 5
    assert len(ran) == 5


async def test_a_larger_message_than_it_asked_for_is_not_shown(make_step: MakeStep) -> None:
    seen = []

    async def implementation(message: Message) -> None:
        seen.append(message.size)

    step = make_step(implementation, max_size=10)
    await step.run(None, {"message": Message(b"\r\n", b"x" * 8)})
    await step.run(None, {"message": Message(b"\r\n", b"x" * 9)})
    assert seen == [10]


async def test_the_trace_has_a_line_for_every_step(make_step: MakeStep) -> None:
    async def implementation() -> Reject:
        await asyncio.sleep(0.002)
        return NO

    trace = Trace("s1")
    await make_step(implementation).run(trace, {})
    ((_, _, kind, name, plugin, outcome, microseconds, detail),) = trace.take()[0]
    assert (kind, name, plugin, outcome, detail) == ("hook", "smtp_rcpt", "test", "reject", "5.7.1 no")
    assert 1_000 < microseconds < 1_000_000
