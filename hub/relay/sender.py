"""Sends what is queued: claims rows that are due, takes them where they go, keeps what became of them.

    claims ──► destinations: whose turn is it? ──► delivering: routes, connections, client ──► outcomes

Each worker does so for itself; the leases of the claims keep them apart, and end half a minute after a worker
has died. A message may be sent twice only if the connection, or we, die between its last dot and what is kept
of the reply to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from hub.dispatch.failure import reason
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.relay.answers import Answer
from hub.relay.backoff import Backoff
from hub.relay.claims import Claims, Job
from hub.relay.crowd import Crowd
from hub.relay.delivering import Delivering, Try
from hub.relay.destinations import Destination, Destinations
from hub.relay.directing import direct, is_asked
from hub.relay.limits import Gate, limit_of
from hub.relay.routes import Routes
from hub.relay.static import Leads
from hub.services.queue import QueueRow

SHARE: Final = 100
"""Rows that one destination, or one sender, keeps of all the room when others may wait for some."""

_log = get_logger(area="relay")


class Relay:
    """One per process, from `start` to `close`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._settings = kernel.settings.relay
        self._routes = self._make_routes()
        self._claims = Claims(kernel, self._where, self._take, self._make_room)
        self._destinations = Destinations(self._make)
        self._crowd = Crowd(kernel.services.clock.monotonic())
        self._delivering = Delivering(kernel, lambda: self._routes)
        self._serving = 0
        self._next_tick: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def start(self) -> None:
        """Begin to send."""
        self._spawn(self._claims.run())
        self._spawn(self._claims.renew())
        self._spawn(self._count())

    async def close(self) -> None:
        """Hang up on everybody; what was not concluded is sent by somebody else once its lease has ended."""
        self._closing = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._delivering.close()
        with suppress(Exception):  # these are figures
            await self._delivering.tally.flush()

    def destinations(self) -> Sequence[Mapping[str, object]]:
        """How those stand to which something was sent of late, for `hub queue stats`."""
        return [each.state(self._now()) for each in self._destinations]

    def _now(self) -> float:
        return self._kernel.services.clock.monotonic()

    # -- what the operator says

    def _take_settings(self) -> None:
        """The configuration may have been reloaded."""
        if self._kernel.settings.relay is not self._settings:
            self._settings = self._kernel.settings.relay
            self._routes = self._make_routes()
            self._destinations.remake()

    def _make_routes(self) -> Routes:
        leads = Leads(self._settings.routes, self._settings.smarthosts)
        return Routes(self._kernel.settings.hub.hostname, self._kernel.services.dns, leads)

    def _make(self, name: str) -> Destination:
        """A server that all is led to is met as a server."""
        host, is_led, _ = name.rpartition(":")
        limit = limit_of(self._settings.limits, host if is_led else name)
        usual = self._settings.per_host if is_led else self._settings.per_domain
        most = (limit.connections if limit is not None else None) or usual
        per_minute = limit.per_minute if limit is not None else None
        gate = Gate(self._kernel.commons.traffic, f"to {name}", most, per_minute)
        return Destination(name, gate, Backoff(most, float(most)))

    # -- jobs, one after the other

    def _where(self, row: QueueRow) -> str:
        self._take_settings()
        return self._routes.destination(row.recipient, row.reverse_path)

    def _take(self, job: Job) -> None:
        if is_asked(self._kernel):
            self._spawn(self._direct(job))
        else:
            self._put(job)

    async def _direct(self, job: Job) -> None:
        """Ask plugins where its rows go; those that go nowhere need no turn."""
        for each in await direct(self._kernel, job):
            if isinstance(each.route, Answer):
                self._spawn(self._answered(each))
            else:
                self._put(each)

    async def _answered(self, job: Job) -> None:
        try:
            await self._delivering.deliver(job)
        finally:
            self._claims.done(job)

    def _put(self, job: Job) -> None:
        self._destinations.put(job)
        self._go_on()

    def _go_on(self) -> None:
        """Begin whatever may be begun."""
        now = self._now()
        self._take_settings()
        while not self._closing and self._serving < self._settings.max_connections:
            destination = self._destinations.next(now)
            if destination is None:
                break
            destination.begin()
            self._serving += 1
            suspended = destination.backoff.suspended(now)
            if suspended is None:
                destination.gate.count(now)
            self._spawn(self._serve(destination, destination.take(), suspended))
        wait = self._destinations.wait(now)
        if wait is not None and (self._next_tick is None or now + wait < self._next_tick):
            self._next_tick = now + wait
            self._spawn(self._tick(wait))

    async def _tick(self, seconds: float) -> None:
        await self._kernel.services.clock.sleep(seconds)
        self._next_tick = None
        self._go_on()

    async def _serve(self, destination: Destination, job: Job, suspended: Answer | None) -> None:
        try:
            if suspended is None:
                self._note(destination, await self._delivering.deliver(job))
            else:
                found = Try(job.destination, list(job.rows))
                found.answer_all(replace(suspended, host="", text=f"not asked again yet: {suspended.text}"))
                destination.deferred += len(job.rows)
                await self._delivering.conclude(job, found)
        finally:
            destination.end()
            self._serving -= 1
            self._crowd.done(job)
            self._claims.done(job)
            self._go_on()

    def _note(self, destination: Destination, found: Try) -> None:
        """What this says about the destination."""
        answers = found.answers.values()
        destination.sent += sum(answer.is_success for answer in answers)
        destination.deferred += sum(not answer.is_success and not answer.is_permanent for answer in answers)
        if found.trouble is not None:
            now, pause = self._now(), self._settings.pause
            destination.backoff.went_wrong(found.trouble, now, pause, is_there=found.is_there)
        elif any(answer.host for answer in answers):
            destination.backoff.went_well()

    async def _make_room(self) -> bool:
        """Give back what is too much of one kind; whether there was any."""
        jobs = self._destinations.excess(SHARE)
        booked = self._crowd.book(jobs, self._now())
        for job, seconds in booked.items():
            try:
                await self._delivering.conclude(job, Try(job.destination, list(job.rows), busy=seconds))
            finally:
                self._claims.done(job)
        return bool(jobs)

    async def _count(self) -> None:
        """Write down how mail fares."""
        while True:
            try:
                await self._delivering.tally.run()
            except Exception as error:
                _log.warning("figures of mail are not kept", reason=reason(error))

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
