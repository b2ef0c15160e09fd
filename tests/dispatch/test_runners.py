"""Coroutines that are entered at once behave as if each had a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar

from hub.dispatch.runners import Runners

VARIABLE: ContextVar[str] = ContextVar("variable", default="untouched")


async def started(runners: Runners, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
    """Start it where transports call protocols: in a callback of the loop."""
    loop = asyncio.get_running_loop()
    task: asyncio.Future[asyncio.Task[None]] = loop.create_future()
    loop.call_soon(lambda: task.set_result(runners.start(coroutine)))
    return await task


async def warm() -> Runners:
    """With a parked task."""
    runners = Runners()
    await started(runners, asyncio.sleep(0))
    await asyncio.sleep(0)
    return runners


async def test_what_never_waits_has_ended_when_start_returns() -> None:
    runners, said = await warm(), []

    async def work() -> None:
        said.append(asyncio.current_task())

    task = await started(runners, work())
    again = await started(runners, work())
    assert said == [task, again]
    assert task is again


async def test_what_waits_goes_on_in_the_task_that_it_began_in() -> None:
    runners, gate = await warm(), asyncio.Event()
    said: list[object] = []
    ended = asyncio.Event()

    async def work() -> None:
        VARIABLE.set("mine")
        said.append(asyncio.current_task())
        await gate.wait()
        await asyncio.sleep(0)
        said.extend((asyncio.current_task(), VARIABLE.get()))
        ended.set()

    async def other() -> None:
        said.append(VARIABLE.get())

    task = await started(runners, work())
    assert await started(runners, other()) is not task
    gate.set()
    await ended.wait()
    assert said == [task, "untouched", task, "mine"]
    await asyncio.sleep(0)
    assert await started(runners, other()) is task
    assert said[-1] == "untouched"


async def test_timeout_ends_what_waits() -> None:
    runners, ended = await warm(), asyncio.Event()

    async def work() -> None:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.set()

    await started(runners, work())
    await asyncio.wait_for(ended.wait(), 5)


async def test_cancellation_reaches_what_waits() -> None:
    runners, said = await warm(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            said.append("cleaned up")

    (await started(runners, work())).cancel()
    late = await started(runners, work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.wait((late,), timeout=5)
    assert said == ["cleaned up", "cleaned up"]
    assert late.cancelled()


async def test_one_that_cancels_itself_does_not_harm_the_next() -> None:
    runners, said = await warm(), []

    async def rash() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def next_one() -> None:
        await asyncio.sleep(0)
        said.append("done")

    first = await started(runners, rash())
    second = await started(runners, next_one())
    assert first is not second
    await asyncio.wait((second,), timeout=5)
    assert said == ["done"]
