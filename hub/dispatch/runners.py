"""Coroutines entered at once: one that never waits costs neither a task nor a turn of the loop.

A coroutine must run in a task, for `asyncio.timeout` and whoever else asks for the current one. So a few
tasks are kept parked; a coroutine begins as if it ran in one of them, and only if it waits is that task
woken to go on with it.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Final

MOST: Final = 100
"""Tasks that are kept; of more coroutines that wait at once, each gets a task of its own."""


class Runners:
    """The parked tasks of one event loop."""

    __slots__ = ("_idle", "_loop", "_number")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[_Runner] = []
        self._number = 0

    def start(self, coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run the coroutine until it waits or ends; it goes on in the task, which the caller has to hold.

        Called by a task, and not by a callback of the loop, it runs later from the start. The coroutine's
        context is its own.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        while self._idle and asyncio.current_task(loop) is None:
            runner = self._idle.pop()
            if not runner.task.done() and not runner.task.cancelling():
                runner.enter(coroutine)
                return runner.task
        if self._number < MOST:
            self._number += 1
            _Runner(loop, self._idle).task.add_done_callback(self._ended)
        return loop.create_task(coroutine)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._number -= 1


class _Runner:
    """One task: parked and in the list of idle ones, or at work on a coroutine."""

    __slots__ = ("_context", "_coroutine", "_idle", "_loop", "_parked", "_started", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: list[_Runner]) -> None:
        self._loop = loop
        self._idle = idle
        self._started: tuple[Coroutine[object, object, None], Context, object] | None = None
        self._parked: asyncio.Future[None] = loop.create_future()
        self.task = loop.create_task(self._serve())

    def enter(self, coroutine: Coroutine[object, object, None]) -> None:
        """Run the coroutine's first step as this task."""
        context = copy_context()
        asyncio._enter_task(self._loop, self.task)
        try:
            awaited = context.run(coroutine.send, None)
        except StopIteration:
            self._idle.append(self)
            return
        except BaseException:
            self._idle.append(self)
            raise
        finally:
            asyncio._leave_task(self._loop, self.task)
        self._started = (coroutine, context, awaited)
        if not self._parked.done():
            self._parked.set_result(None)

    async def _serve(self) -> None:
        while not self.task.cancelling():
            self._idle.append(self)
            try:
                await self._parked
            except asyncio.CancelledError as error:
                if self._started is None:
                    raise
                thrown: BaseException | None = error
            else:
                thrown = None
            assert self._started is not None
            (coroutine, context, awaited), self._started = self._started, None
            self._parked = self._loop.create_future()
            await _go_on(coroutine, context, awaited, thrown)


@types.coroutine
def _go_on(
    coroutine: Coroutine[object, object, None],
    context: Context,
    awaited: object,
    thrown: BaseException | None,
) -> Generator[object, object, None]:
    """Run a coroutine to its end that waits for `awaited`. thrown: its task was cancelled meanwhile."""
    if isinstance(awaited, asyncio.Future) and thrown is not None and awaited.cancel():
        thrown = None  # it comes back out of what the coroutine waits for
    try:
        while True:
            try:
                if thrown is None:
                    yield awaited
            except BaseException as error:
                thrown = error
            if thrown is None:
                awaited = context.run(coroutine.send, None)
            else:
                cause, thrown = thrown, None
                awaited = context.run(coroutine.throw, cause)
    except StopIteration:
        return
