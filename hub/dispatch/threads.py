"""Where a plugin's plain functions run.

A few threads of its own, so that a blocking plugin only exhausts itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Final, TypeVar, cast

T = TypeVar("T")
SIZE: Final = 8


class PoolFull(RuntimeError):
    """Every thread of the plugin hangs; the message shows where."""


class PluginThreads:
    """At most eight daemon threads, started on demand.

    With all of them busy a call waits for one, for as long as its caller does. A thread whose caller has
    given up hangs, and keeps its slot until it comes back; with all of them hanging a call fails at once.
    """

    def __init__(self, name: str, size: int = SIZE) -> None:
        self._name = name
        self._size = size
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pending = 0  # calls that run or wait for a thread
        self._given_up: set[object] = set()
        self._closed = False

    @property
    def busy(self) -> int:
        """How many threads are inside the plugin's code."""
        return min(self._pending, len(self._threads))

    @property
    def hung(self) -> int:
        """How many of them nobody waits for any more."""
        return len(self._given_up)

    async def run(self, function: Callable[[], T]) -> T:
        """Call the function in a thread. PoolFull at once when all of them hang.

        A cancelled caller leaves a thread that has begun to finish.
        """
        if self._closed:
            raise RuntimeError(f"the threads of {self._name} are closed")
        if len(self._given_up) >= self._size:
            raise PoolFull(f"all {self._size} threads hang:\n{self.stacks()}")
        if len(self._threads) < min(self._pending + 1, self._size):
            thread = threading.Thread(
                target=self._serve, name=f"{self._name}-{len(self._threads)}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        context = contextvars.copy_context()
        begun = False

        def work() -> None:
            nonlocal begun
            result: object = None
            error: BaseException | None = None
            if not future.cancelled():
                begun = True
                try:
                    result = context.run(function)
                except BaseException as raised:
                    error = raised
            try:
                loop.call_soon_threadsafe(self._answer, future, result, error)
            except RuntimeError:  # the loop has ended
                return

        self._pending += 1
        self._work.put(work)
        try:
            return cast(T, await future)
        except asyncio.CancelledError:
            if future.cancelled() and begun:
                self._given_up.add(future)
            raise

    def _answer(self, future: asyncio.Future[object], result: object, error: BaseException | None) -> None:
        self._pending -= 1
        if future.done():
            self._given_up.discard(future)
            return
        if isinstance(error, StopIteration | GeneratorExit):  # they would end who awaits the future
            error = RuntimeError(f"the plugin raised {type(error).__name__}")
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def stacks(self) -> str:
        """Where each thread stands, for a report on a plugin that hangs."""
        frames = sys._current_frames()
        return "\n".join(
            f"{thread.name}:\n" + "".join(traceback.format_stack(frames[thread.ident])[-6:])
            for thread in self._threads
            if thread.ident in frames
        )

    def close(self) -> None:
        """End the threads that are idle.

        One that hangs in the plugin's code is left to die with the process.
        """
        self._closed = True
        for _ in self._threads:
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
