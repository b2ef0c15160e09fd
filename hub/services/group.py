"""Group commit.

One thread, and everything that arrived while the last commit was syncing goes into the next.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class GroupWriter(Generic[T, R]):
    """Hands work from the event loop to one thread in groups; every caller gets its own result or its own
    exception.

    commit: called in the thread with one or more pieces of work, gives as many results in the same order; a
    result that is an exception is raised to that caller alone. An exception raised by commit itself goes to
    all callers of the group.
    """

    def __init__(
        self, name: str, commit: Callable[[Sequence[T]], Sequence[R | BaseException]], *, bound: int = 4096
    ) -> None:
        self._commit = commit
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[R], T]] = deque()
        self._wake = threading.Condition(threading.Lock())
        self._room = asyncio.Semaphore(bound)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""
        return len(self._waiting)

    async def submit(self, work: T) -> R:
        """Do the work in the next group; returns when its group is committed. Waits for room when the queue
        is full.

        A cancelled caller does not undo its work: it may still be committed.
        """
        async with self._room:
            if self._closing:  # perhaps while this one waited for room; the thread takes nothing more
                raise RuntimeError("the writer is closed")
            future: asyncio.Future[R] = self._loop.create_future()
            with self._wake:
                self._waiting.append((future, work))
                if len(self._waiting) == 1:
                    self._wake.notify()
            return await future

    async def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        self._closing = True
        with self._wake:
            self._wake.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
                group = list(self._waiting)
                self._waiting.clear()
            results: Sequence[R | BaseException]
            try:
                results = self._commit([work for _, work in group])
                if len(results) != len(group):
                    raise RuntimeError(
                        f"the commit gave {len(results)} results for {len(group)} pieces of work"
                    )
            except BaseException as error:
                results = [error] * len(group)
            try:
                self._loop.call_soon_threadsafe(_answer, [future for future, _ in group], results)
            except RuntimeError:  # the loop was closed under us: nobody is left to be told
                return


def _answer(futures: Sequence[asyncio.Future[R]], results: Sequence[R | BaseException]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
