"""A reload in two halves: built here, and swapped in when everybody has built it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

from hub.loading.errors import LoadError, LoadErrors
from hub.loading.reload import Agree

T = TypeVar("T")


class Proposal(Generic[T]):
    """Runs a reload up to the swap and holds it there until `end` gives the word."""

    def __init__(self, reload: Callable[[Agree], Coroutine[object, object, T]]) -> None:
        loop = asyncio.get_running_loop()
        self._built: asyncio.Future[None] = loop.create_future()
        self._word: asyncio.Future[bool] = loop.create_future()
        self._task = loop.create_task(reload(self._agree))

    async def _agree(self) -> None:
        self._built.set_result(None)
        if not await self._word:
            raise LoadErrors([LoadError("hub", "not all workers could load it")])

    async def built(self) -> bool:
        """Whether it is built and waits; if not, it is over: refused, or nothing was to do."""
        await asyncio.wait((self._task, self._built), return_when=asyncio.FIRST_COMPLETED)
        return not self._task.done()

    async def end(self, *, swap: bool) -> T:
        """Serve with what was built, or undo it; what the reload gives."""
        if not self._word.done():
            self._word.set_result(swap)
        return await asyncio.shield(self._task)
