"""Group commit: one thread, and what arrived while the last commit was syncing goes into the next."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from hub.services.commits import commits

T = TypeVar("T")
R = TypeVar("R")

MOST_TURNS: Final = 20
"""Turns of the loop that a group waits at most, however much comes."""
MOST_SECONDS: Final = 0.004
"""The same for a loop whose turns are long."""


class GroupWriter(Generic[T, R]):
    """Hands work from the event loop to one thread in groups; every caller gets its own result or exception.

    A group is handed over when the thread is free and nothing more has come for some turns of the loop: what
    arrives together is committed together, since a group costs two changes of thread and a sync, however many
    are in it. An idle loop makes those turns in microseconds; a busy one uses them to bring more. Who was
    alone the last time waits for no turn at all.

    commit: called in the thread with one or more pieces of work, gives as many results in the same order; a
    result that is an exception is raised to that caller alone. An exception raised by commit itself goes to
    all callers of the group. bound: pieces of work that may be under way; more wait to be taken. answered:
    called on the loop after each group, once its callers have gone on.
    """

    def __init__(
        self,
        name: str,
        commit: Callable[[Sequence[T]], Sequence[R | BaseException]],
        *,
        prepare: Callable[[Sequence[T]], None] = lambda group: None,
        answered: Callable[[], None] = lambda: None,
        quiet_turns: int = 5,
        bound: int = 4096,
    ) -> None:
        self._commit = commit
        self._prepare = prepare
        self._answered = answered
        self._quiet_turns = quiet_turns
        self._last = quiet_turns + 1  # the size of the group before
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[asyncio.Future[R], T]] = []
        self._under_way = 0  # waiting, or in the thread
        self._crowd: deque[asyncio.Future[None]] = deque()  # whoever waits for room
        self._busy = False  # a group is in the thread, or about to be handed over
        self._closing = False
        self._commits = commits()
        self._groups: queue.SimpleQueue[list[tuple[asyncio.Future[R], T]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work that no commit has taken yet."""
        return len(self._waiting)

    async def submit(self, work: T) -> R:
        """Do the work in the next group; returns when its group is committed. RuntimeError once closed.

        Waits for room when too much is under way. A cancelled caller does not undo its work: it may still be
        committed.
        """
        while self._under_way >= self._bound and not self._closing:
            turn: asyncio.Future[None] = self._loop.create_future()
            self._crowd.append(turn)
            await turn
        if self._closing:  # perhaps while this one waited for room; the thread takes nothing more
            raise RuntimeError("the writer is closed")
        future: asyncio.Future[R] = self._loop.create_future()
        self._waiting.append((future, work))
        self._under_way += 1
        if not self._busy:
            self._busy = True
            self._commits.begin()
            if self._last == 1:
                self._hand_over()
            else:
                self._loop.call_soon(self._gather, self._loop.time() + MOST_SECONDS)
        return await future

    async def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        self._closing = True
        self._admit()
        if self._waiting:
            await asyncio.wait([future for future, _ in self._waiting])
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)

    def _gather(self, until: float, seen: int = 0, quiet: int = 0, turns: int = 0) -> None:
        """One turn of the loop; `quiet` of the last ones in a row brought nothing to the `seen` that wait."""
        quiet = quiet + 1 if len(self._waiting) == seen else 0
        may_wait = turns < MOST_TURNS and self._loop.time() < until
        if may_wait and quiet < min(self._quiet_turns, self._last - 1):
            self._loop.call_soon(self._gather, until, len(self._waiting), quiet, turns + 1)
            return
        self._hand_over()

    def _hand_over(self) -> None:
        group, self._waiting = self._waiting, []
        self._last = len(group)
        self._prepare([work for _, work in group])
        self._groups.put(group)

    def _run(self) -> None:
        while (group := self._groups.get()) is not None:
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
                self._loop.call_soon_threadsafe(self._answer, group, results)
            except RuntimeError:  # the loop was closed under us: nobody is left to be told
                return

    def _answer(
        self, group: Sequence[tuple[asyncio.Future[R], T]], results: Sequence[R | BaseException]
    ) -> None:
        for (future, _), result in zip(group, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._under_way -= len(group)
        self._admit()
        self._loop.call_soon(self._answered)
        if self._waiting:
            self._loop.call_soon(self._gather, self._loop.time() + MOST_SECONDS)
        else:
            self._busy = False
            self._commits.end()

    def _admit(self) -> None:
        """Let those in that wait for room; all of them when the writer closes, to be told."""
        room = len(self._crowd) if self._closing else self._bound - self._under_way
        while self._crowd and room > 0:
            turn = self._crowd.popleft()
            if not turn.done():
                turn.set_result(None)
                room -= 1
