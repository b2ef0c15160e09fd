"""The workers of a hub, as the supervisor knows them, and questions to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hub.control import inquire
from hub.listening import Bound
from hub.processes.names import worker_socket
from hub.processes.vigil import Vigil

ANSWERING: Final = 5.0
"""Seconds that a worker has to say how it does."""


@dataclass(slots=True, eq=False)
class Worker:
    """One place in the crew and the process that fills it; pid is 0 while there is none.

    deaths: in a row, each soon after the start. reloads: how many the hub had seen when it was forked. said:
    why it could not start, or had to go. last_death: of the process before this one, for the status. leaves:
    it was told to go.
    """

    number: int
    bound: Sequence[Bound]
    pid: int = 0
    started_at: float = 0.0
    restarts: int = 0
    deaths: int = 0
    reloads: int = 0
    ready: bool = False
    said: str = ""
    last_death: str = ""
    leaves: bool = False
    vigil: Vigil | None = None
    ended: asyncio.Future[int] = field(default_factory=asyncio.Future)


class Crew:
    """All places, by number. folder: where the workers' control sockets lie."""

    def __init__(self, crews: Sequence[Sequence[Bound]], folder: Path) -> None:
        """crews: the sockets of each."""
        self.workers = tuple(Worker(number, bound) for number, bound in enumerate(crews))
        self._folder = folder

    def __iter__(self) -> Iterator[Worker]:
        return iter(self.workers)

    def __len__(self) -> int:
        return len(self.workers)

    @property
    def ready(self) -> list[Worker]:
        """Those that serve."""
        return [worker for worker in self.workers if worker.ready]

    @property
    def alive(self) -> list[Worker]:
        """Those that have a process."""
        return [worker for worker in self.workers if worker.pid and not worker.ended.done()]

    async def ask(
        self, workers: Sequence[Worker], verb: str, timeout: float, **arguments: object
    ) -> list[object]:
        """The answers in the order of the workers; in place of one, the exception."""
        return await asyncio.gather(
            *(
                inquire(self._folder / worker_socket(each.number), verb, timeout=timeout, **arguments)
                for each in workers
            ),
            return_exceptions=True,
        )

    async def answers(self, verb: str, **arguments: object) -> dict[int, object]:
        """Worker → its answer; RuntimeError if nobody answers."""
        ready = self.ready
        said = await self.ask(ready, verb, ANSWERING, **arguments)
        answers = {
            worker.number: answer
            for worker, answer in zip(ready, said, strict=True)
            if not isinstance(answer, BaseException)
        }
        if not answers:
            raise RuntimeError("no worker answers")
        return answers

    async def of_one(self, verb: str, timeout: float, **arguments: object) -> object:
        """The answer of one worker, for the others have the same. RuntimeError."""
        for answer in await self.ask(self.ready[:1], verb, timeout, **arguments):
            if not isinstance(answer, BaseException):
                return answer
        raise RuntimeError("no worker answers")
