"""Sends what is queued: claims rows that are due, takes them where they go, keeps what became of them.

    storage.claim ──► jobs by destination ──► connections ──► answers ──► storage.conclude, with reports

Each worker does so for itself; the leases of the claims keep them apart, and end half a minute after a worker
has died. A message may be sent twice only if the connection, or we, die between its last dot and what is kept
of the reply to it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from hub.dispatch.failure import HookFailed, reason
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.address import Address
from hub.mail.headers import Headers
from hub.mail.ident import new_id
from hub.mail.traceparent import traceparent_of
from hub.relay.answers import Answer, failed
from hub.relay.client import Broken, Client, Hop, NoTls, Parcel
from hub.relay.outcomes import Outcomes
from hub.relay.outgoing import outgoing
from hub.relay.routes import Routes
from hub.services.log import ChangeKind, LogEntry
from hub.services.queue import LeaseLost, QueueRow
from hub.services.storage import Acceptance
from hub.trace.record import RELAY, Trace

LEASE: Final = 30.0
"""Seconds that a claim lasts; it is renewed three times in that."""
BATCH: Final = 100
MOST_ROWS: Final = 500
"""Rows under way at once in this process."""
LOOK: Final = 30.0
"""Seconds after which to look for rows whose leases have ended."""
PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""Seconds between tries to keep an outcome: what is not kept is sent again."""

_log = get_logger(area="relay")


@dataclass(slots=True)
class Job:
    """Rows of one message that go the same way."""

    lease: int
    rows: list[QueueRow]


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
        self._settings = kernel.settings.relay
        self._routes = self._make_routes()
        self._tls = _unverified()
        self._outcomes = Outcomes(kernel)
        self._destinations: dict[str, Destination] = {}
        self._leases: Counter[int] = Counter()  # lease → rows of it that are under way
        self._connections = 0
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def start(self) -> None:
        """Begin to send."""
        self._unwatch = self._kernel.services.storage.watch(self._noticed)
        self._spawn(self._run())
        self._spawn(self._renew())

    async def close(self) -> None:
        """Hang up on everybody; what was not concluded is sent by somebody else once its lease has ended."""
        self._closing = True
        self._unwatch()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- claims -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                pause = await self._claim()
            except Exception as error:
                _log.error("the queue cannot be read", reason=reason(error))
                pause = 5.0
            await self._sleep(pause)

    async def _claim(self) -> float:
        """Take what is due, as far as there is room; seconds until the next look."""
        clock, storage = self._kernel.services.clock, self._kernel.services.storage
        self._take_settings()
        if not self._settings.enabled:
            return LOOK
        while (room := MOST_ROWS - self._leases.total()) > 0:
            claim = await storage.claim(clock.time() + LEASE, min(BATCH, room))
            self._leases[claim.lease] += len(claim.rows)
            for job in _jobs(claim.lease, claim.rows):
                self._queue(job)
            if len(claim.rows) < min(BATCH, room):
                due = await storage.next_due()
                return LOOK if due is None else min(max(due - clock.time(), 0.05), LOOK)
        return LOOK  # whoever concludes wakes us

    def _noticed(self, entries: Sequence[LogEntry]) -> None:
        if any(entry.kind is ChangeKind.QUEUED for entry in entries):
            self._news.set()

    async def _sleep(self, seconds: float) -> None:
        waiting = [
            asyncio.ensure_future(self._news.wait()),
            asyncio.ensure_future(self._kernel.services.clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _renew(self) -> None:
        clock, storage = self._kernel.services.clock, self._kernel.services.storage
        while True:
            await clock.sleep(LEASE / 3)
            for lease in tuple(self._leases):
                try:
                    await storage.renew(lease, clock.time() + LEASE)
                except Exception as error:
                    _log.error("a lease of queued mail is not renewed", reason=reason(error))

    def _take_settings(self) -> None:
        """The configuration may have been reloaded."""
        if self._kernel.settings.relay is not self._settings:
            self._settings = self._kernel.settings.relay
            self._routes = self._make_routes()

    def _make_routes(self) -> Routes:
        settings = self._settings
        return Routes(self._kernel.settings.hub.hostname, self._kernel.services.dns, settings.routes)

    # -- connections --------------------------------------------------------------------------------------

    def _queue(self, job: Job) -> None:
        domain = job.rows[0].recipient.ascii_domain.lower()
        destination = self._destinations.setdefault(domain, Destination(domain))
        destination.jobs.append(job)
        self._connect_more(destination)

    def _connect_more(self, destination: Destination) -> None:
        settings = self._settings
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
                client = await self._do(job, client)
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
            self._news.set()

    async def _do(self, job: Job, client: Client | None) -> Client | None:
        """Send one job, over that connection if there is one; the one for the next job."""
        began = perf_counter()
        rows = job.rows
        trace = Trace(new_id(), f"{RELAY}{rows[0].recipient.ascii_domain}")
        trace.message = rows[0].message_id
        try:
            answers, client = await self._send(rows, client, trace)
        except HookFailed:  # who failed has been told
            answers = {row.recipient: failed("4.3.0", "it cannot be made ready to be sent") for row in rows}
        except Exception as error:  # of the store, or ours: nothing is known of the message, so it stays
            _log.error("mail could not be sent", message=rows[0].message_id, reason=reason(error))
            answers = {row.recipient: failed("4.3.0", "internal error") for row in rows}
            if client is not None:
                client.abort()
                client = None
        self._record(trace, rows, answers, perf_counter() - began)
        try:
            await self._conclude(job, answers, reports_itself=client is not None and "DSN" in client.features)
        finally:
            self._leases[job.lease] -= len(rows)
            if self._leases[job.lease] <= 0:
                del self._leases[job.lease]
        return client

    async def _send(
        self, rows: Sequence[QueueRow], client: Client | None, trace: Trace
    ) -> tuple[dict[Address, Answer], Client | None]:
        await self._note_traceparent(rows[0], trace)
        if client is not None:
            try:
                return await self._give(client, rows, trace), client
            except Broken as broken:
                client.abort()
                if client.in_doubt:
                    return self._lost(rows, broken), None
        hops = await self._routes.hops(rows[0].recipient.ascii_domain)
        if isinstance(hops, Answer):
            return {row.recipient: hops for row in rows}, None
        trouble = Broken("nobody to ask")
        for hop in hops:
            try:
                client = await self._connect(hop)
                return await self._give(client, rows, trace), client
            except Broken as broken:
                trouble = broken
                if client is not None:
                    client.abort()
                    if client.in_doubt:
                        return self._lost(rows, broken), None
        return {row.recipient: failed("4.4.1", str(trouble)) for row in rows}, None

    async def _give(self, client: Client, rows: Sequence[QueueRow], trace: Trace) -> dict[Address, Answer]:
        """Send over a connection. Broken."""
        row = rows[0]
        parcel = Parcel(row.reverse_path, {each.recipient: each.dsn for each in rows}, row.ret, row.envid)
        async with outgoing(self._kernel, rows, trace) as content:
            return await client.send(parcel, content)

    async def _connect(self, hop: Hop) -> Client:
        settings = self._settings
        tls = self._tls if settings.tls == "opportunistic" else None
        hello, patience = self._kernel.settings.hub.hostname, settings.connect_timeout
        try:
            return await Client.connect(hop, hello, tls, patience=patience)
        except NoTls as error:  # what is only sent encrypted if that works is sent (RFC 7435 §3)
            _log.info("mail goes in the clear", host=hop.host, reason=str(error))
            return await Client.connect(hop, hello, None, patience=patience)

    def _lost(self, rows: Sequence[QueueRow], broken: Broken) -> dict[Address, Answer]:
        """The other side may have the message and may not: it gets it again (RFC 5321 §4.5.4.2)."""
        _log.warning("mail may be sent twice", message=rows[0].message_id, reason=str(broken))
        return {row.recipient: failed("4.4.2", str(broken)) for row in rows}

    async def _note_traceparent(self, row: QueueRow, trace: Trace) -> None:
        """Say in which trace the message is."""
        head = await self._kernel.services.blobs.read(row.blob, 0, row.head_size)
        context = traceparent_of(row.message_id, Headers(head))
        trace.add("note", "traceparent", "read", detail=context)

    # -- what became of it ----------------------------------------------------------------------------------

    async def _conclude(self, job: Job, answers: dict[Address, Answer], *, reports_itself: bool) -> None:
        storage, blobs = self._kernel.services.storage, self._kernel.services.blobs
        pairs = [(row, answers[row.recipient]) for row in job.rows]
        outcomes = self._outcomes.of(pairs)
        reports: Sequence[Acceptance] | None = None
        for pause in (*PAUSES, None):
            try:
                if reports is None:
                    reports = await self._outcomes.reports(pairs, outcomes, reports_itself=reports_itself)
                await storage.conclude(job.lease, outcomes, reports)
                break
            except LeaseLost:
                _log.warning("somebody else has sent this mail too", message=job.rows[0].message_id)
                break
            except Exception as error:
                _log.error("what became of mail is not kept", reason=reason(error), again_in=pause)
                if pause is None:
                    break
                await self._kernel.services.clock.sleep(pause)
        for report in reports or ():
            blobs.settle(report.blob)

    def _record(
        self, trace: Trace, rows: Sequence[QueueRow], answers: dict[Address, Answer], seconds: float
    ) -> None:
        for row in rows:
            answer = answers[row.recipient]
            said = "sent" if answer.is_success else "bounced" if answer.is_permanent else "deferred"
            trace.add("relay", str(row.recipient), said, seconds=seconds, detail=f"{answer.host} {answer}")
        self._kernel.write_trace(trace)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _jobs(lease: int, rows: Iterable[QueueRow]) -> Iterable[Job]:
    """Rows of one message to one domain go together."""
    found: dict[tuple[str, str], Job] = {}
    for row in rows:
        key = (row.message_id, row.recipient.ascii_domain.lower())
        found.setdefault(key, Job(lease, [])).rows.append(row)
    return found.values()


def _unverified() -> ssl.SSLContext:
    """Whoever would be sent mail in the clear may as well show any certificate (RFC 7435)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
