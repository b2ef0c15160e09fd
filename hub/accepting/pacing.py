"""Who writes to a client goes on as fast as that reads, and lets other sessions have their turns."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

_SLICE: Final = 0.005  # seconds that one session may keep the event loop without a pause


class Paced:
    """What every buffer of octets on their way out has; the transport calls `pause` and `resume`."""

    __slots__ = ("_began", "_writable")

    def __init__(self) -> None:
        self._writable: asyncio.Future[None] | None = None
        self._began = perf_counter()

    def begin(self) -> None:
        """The session goes on after a wait: its slice of the loop's time is measured from here."""
        self._began = perf_counter()

    @property
    def blocked(self) -> bool:
        """Whether the client does not read."""
        return self._writable is not None

    def pause(self) -> None:
        """The client does not read."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """The client reads again."""
        if self._writable is not None:
            waiting, self._writable = self._writable, None
            if not waiting.done():
                waiting.set_result(None)

    async def turn(self) -> None:
        """Return once the client reads, and others have run if this session has kept the loop for long."""
        if self._writable is not None:
            await asyncio.shield(self._writable)
            self._began = perf_counter()
        elif perf_counter() - self._began > _SLICE:
            await asyncio.sleep(0)
            self._began = perf_counter()
