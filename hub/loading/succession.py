"""Lineups in their order: the one that serves, and those it replaced, until nobody uses them any more."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine, Iterable, Sequence
from contextvars import Context
from typing import Final

from hub.hooks.plugin import Logger
from hub.loading.generation import Generation, Generations
from hub.loading.leaks import end_leaks
from hub.loading.reload import Lineup, Member
from hub.loading.scope import Scope
from hub.services.clock import Clock

LONGEST_STEP: Final = 120.0
"""Seconds that a replaced scope waits for the steps that are inside of it, before it is closed under them."""

GARBAGE: Final = 50
"""Replaced plugins after which Python collects what they were.

A module and its functions hold each other, so only a collection of everything frees them. That would hardly
ever happen by itself (`calm_collector`), for it holds the loop: 15 ms at 50 sessions, more with more of them.
"""


class Succession:
    """Lets one lineup follow another, and closes what only replaced ones used once nobody works with them.

    now: who serves. generations: the same for who is at work: transactions and commands hold on to one.
    """

    def __init__(self, first: Lineup, clock: Clock, log: Logger) -> None:
        self.now = first
        self.generations = Generations(first.generation, self._emptied)
        self._clock = clock
        self._log = log
        self._draining: dict[Lineup, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._inhabited: set[Scope] = set()
        self._garbage = 0

    @property
    def draining(self) -> int:
        """Transactions that end with a generation that was replaced, and scopes that are being closed."""
        return self.generations.outlived + len(self._closing)

    def succeed(self, new: Lineup) -> Lineup:
        """Serve with another lineup from now on; gives the one that served, to be drained."""
        old, self.now = self.now, new
        self.generations.swap(new.generation)
        return old

    async def drain(self, old: Lineup, grace: float) -> None:
        """The timers of the new scopes begin where those of the old end; then the old lineup drains.

        grace: seconds that its transactions have. It goes on even if whoever waits for this is cancelled.
        """
        await asyncio.shield(self._spawn(self._change_over(old, grace)))

    async def end(self) -> Sequence[Member]:
        """No more time for anybody; gives all members that are still to be closed."""
        for grace in self._draining.values():
            grace.cancel()
        for scope in self._inhabited:
            scope.tenancy.evict()
        await asyncio.gather(*self._closing)
        lineups = (self.now, *self._draining)
        self._draining.clear()
        for lineup in lineups:
            self.generations.expire(lineup.generation)
        return [member for lineup in lineups for member in lineup.members.values()]

    async def _change_over(self, old: Lineup, grace: float) -> None:
        new = self.now
        kept = {member.scope for member in new.members.values()}
        gone = [member.scope for member in old.members.values() if member.scope not in kept]
        await asyncio.gather(*(scope.stop_timers() for scope in gone))
        for member in new.members.values():
            member.scope.open_timers()
        if self.generations.pinned(old.generation):
            self._draining[old] = asyncio.create_task(self._expire(old, grace), context=Context())
        else:
            self._leave(old)

    async def _expire(self, old: Lineup, grace: float) -> None:
        await self._clock.sleep(grace)
        still = self.generations.pinned(old.generation)
        self._log.warning("grace period over", generation=old.generation.number, transactions=still)
        self.generations.expire(old.generation)
        del self._draining[old]
        self._leave(old)

    def _emptied(self, generation: Generation) -> None:
        """Nobody is at work with a replaced generation any more."""
        for lineup in [each for each in self._draining if each.generation is generation]:
            self._draining.pop(lineup).cancel()
            self._leave(lineup)

    def _leave(self, lineup: Lineup) -> None:
        used = {member.scope for member in self._users()}
        if unused := [member for member in lineup.members.values() if member.scope not in used]:
            self._spawn(self._close_all(unused))

    def _users(self) -> Iterable[Member]:
        return (member for each in (self.now, *self._draining) for member in each.members.values())

    async def _close_all(self, members: Sequence[Member]) -> None:
        """Close their scopes, and then what they left behind beside them, unless their code is still used.

        Sessions of a protocol that a plugin speaks end with the code that they began with.
        """
        await asyncio.gather(*(self._close_scope(member.scope) for member in members))
        used = {id(member.wish.loaded) for member in self._users()}
        for member in members:
            loaded = member.wish.loaded
            if id(loaded) not in used:
                await end_leaks(loaded.modules, member.scope.log)
        self._garbage += len(members)
        if self._garbage >= GARBAGE:
            self._garbage = 0
            gc.collect()

    async def _close_scope(self, scope: Scope) -> None:
        self._inhabited.add(scope)
        await scope.tenancy.left()
        self._inhabited.discard(scope)
        await scope.close(LONGEST_STEP)

    def _spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """A task that stands among those that close until it ends.

        In a context of its own: it may be a session's last step that began it, which has no part in it.
        """
        task = asyncio.create_task(work, context=Context())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task
