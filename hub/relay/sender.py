"""Sends what is queued: claims rows that are due, takes them where they go, keeps what became of them.

    claims ──► jobs by destination ──► delivering: routes, connecting, client ──► answers ──► outcomes

Each worker does so for itself; the leases of the claims keep them apart, and end half a minute after a worker
has died. A message may be sent twice only if the connection, or we, die between its last dot and what is kept
of the reply to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field

from hub.loading.kernel import Kernel
from hub.relay.claims import Claims, Job
from hub.relay.client import Client
from hub.relay.delivering import Delivering


@dataclass(slots=True)
class Destination:
    """A domain, the jobs that wait for it, and how many connections there are to it."""

    domain: str
    jobs: deque[Job] = field(default_factory=deque)
    connections: int = 0


class Relay:
    """One per process, from `start` to `close`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._claims = Claims(kernel, self._queue)
        self._delivering = Delivering(kernel)
        self._destinations: dict[str, Destination] = {}
        self._connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def start(self) -> None:
        """Begin to send."""
        self._spawn(self._claims.run())
        self._spawn(self._claims.renew())

    async def close(self) -> None:
        """Hang up on everybody; what was not concluded is sent by somebody else once its lease has ended."""
        self._closing = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _queue(self, job: Job) -> None:
        domain = job.rows[0].recipient.ascii_domain.lower()
        destination = self._destinations.setdefault(domain, Destination(domain))
        destination.jobs.append(job)
        self._connect_more(destination)

    def _connect_more(self, destination: Destination) -> None:
        settings = self._kernel.settings.relay
        if self._closing:
            return
        if destination.connections < settings.per_domain and self._connections < settings.max_connections:
            destination.connections += 1
            self._connections += 1
            self._spawn(self._serve(destination))

    async def _serve(self, destination: Destination) -> None:
        """One connection after the other until no job waits."""
        client: Client | None = None
        try:
            while destination.jobs:
                job = destination.jobs.popleft()
                try:
                    client = await self._delivering.deliver(job, client)
                finally:
                    self._claims.done(job)
            if client is not None:
                await client.quit()
        finally:
            if client is not None:
                client.abort()
            destination.connections -= 1
            self._connections -= 1
            if not destination.connections and not destination.jobs:
                self._destinations.pop(destination.domain, None)
            waiting = next((each for each in self._destinations.values() if each.jobs), None)
            if waiting is not None:
                self._connect_more(waiting)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
