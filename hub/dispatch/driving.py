"""Running a plugin's coroutine inside a task of the hub's without giving the task away.

`asyncio.wait_for` would cost a task per step, and `asyncio.timeout` neither stops a coroutine that catches
every cancellation nor tells the plugin's own `current_task().cancel()` from one that ends the session.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import Coroutine, Generator
from typing import Final, TypeVar

from hub.dispatch.failure import SelfCancelled

R = TypeVar("R")

CLEANUP: Final = 1.0
"""Seconds that a coroutine gets after its deadline to close what it has open."""


@types.coroutine
def drive(coroutine: Coroutine[object, object, R], timeout: float | None) -> Generator[object, object, R]:
    """The coroutine's result. TimeoutError, SelfCancelled; CancelledError only if it came from outside.

    Past the deadline the coroutine is cancelled and has a second to clean up; then it is closed where it
    stands, whatever it catches. No timer is set for one that never waits. timeout: seconds, None for no
    deadline.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    deadline: _Deadline | None = None
    thrown: BaseException | None = None
    value: object = None
    try:
        while True:
            known = task.cancelling()
            try:
                awaited = coroutine.send(value) if thrown is None else coroutine.throw(thrown)
            finally:
                if task.cancelling() > known:
                    yield from _forgive(task, task.cancelling() - known)
                    raise SelfCancelled
            if deadline is None and timeout is not None:
                deadline = _Deadline(task, timeout)
            try:
                value, thrown = (yield awaited), None
            except GeneratorExit:
                raise
            except BaseException as error:
                if deadline is not None:
                    deadline.delivered()
                thrown = error
    except BaseException as error:
        if not isinstance(error, StopIteration):
            _close(coroutine)
        if isinstance(error, GeneratorExit):
            raise
        if task.cancelling() > before:  # whatever the coroutine has made of it
            raise asyncio.CancelledError from error
        if deadline is not None and deadline.passed:
            raise TimeoutError from error
        if isinstance(error, StopIteration):
            result: R = error.value
            return result
        if isinstance(error, asyncio.CancelledError):
            raise SelfCancelled from error
        raise
    finally:
        if deadline is not None:
            deadline.timer.cancel()


class _Deadline:
    """Cancels a task when its time is up, and again after the time for cleaning up."""

    __slots__ = ("_handled", "_loop", "_task", "passed", "timer")

    def __init__(self, task: asyncio.Task[object], timeout: float) -> None:
        self._task = task
        self._loop = task.get_loop()
        self._handled = 0
        self.passed = 0
        self.timer = self._loop.call_later(timeout, self._expire)

    def _expire(self) -> None:
        self.passed += 1
        self._task.cancel()

    def delivered(self) -> None:
        """The task was woken by an exception: take back our cancellation; the second is TimeoutError."""
        if self.passed == self._handled:
            return
        self._handled = self.passed
        self._task.uncancel()
        if self.passed > 1:
            raise TimeoutError
        self.timer = self._loop.call_later(CLEANUP, self._expire)


def _forgive(task: asyncio.Task[object], times: int) -> Generator[None, object, None]:
    """Take back cancellations that the coroutine itself has asked for."""
    for _ in range(times):
        task.uncancel()
    with contextlib.suppress(asyncio.CancelledError):
        yield  # before Python 3.13 what was asked for is still delivered


def _close(coroutine: Coroutine[object, object, object]) -> None:
    """End the coroutine where it stands; does nothing to one that has ended."""
    with contextlib.suppress(BaseException):
        coroutine.close()
