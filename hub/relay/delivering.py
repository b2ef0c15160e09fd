"""One job: who is asked to take it, what that server says, and what is kept of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from hub.delivery.forwarding import is_varied, path_of
from hub.dispatch.failure import HookFailed, reason
from hub.hooks.relay import NextHop
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.address import Address
from hub.mail.headers import Headers
from hub.mail.ident import new_id
from hub.mail.reencode import NotMime
from hub.mail.traceparent import traceparent_of
from hub.relay.answers import Answer, failed
from hub.relay.claims import Job
from hub.relay.client import Parcel
from hub.relay.connections import Busy, Connection, Connections
from hub.relay.outcomes import Outcomes
from hub.relay.outgoing import outgoing
from hub.relay.routes import Routes
from hub.relay.security import Security
from hub.relay.tally import NAMESPACE, Tally
from hub.relay.telling import tell
from hub.relay.wire import Broken, NoTls, Unreached
from hub.services.queue import Fate, LeaseLost, QueueOutcome, QueueRow
from hub.services.storage import Acceptance
from hub.trace.record import RELAY, Trace

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""Seconds between tries to keep an outcome: what is not kept is sent again."""
SPREAD: Final = 0.5
"""How much later than it might some of what waits comes, so that not all comes at once."""

_log = get_logger(area="relay")


@dataclass(slots=True)
class Try:
    """What is found out about one job. destination: the job's. left: rows without an answer yet.

    trouble: what a destination said that takes no mail at all now; is_there: whether anybody said it.
    busy: seconds after which to try those that are left, which were not tried. tells: whether the server
    tells of success itself.
    """

    destination: str
    left: list[QueueRow]
    answers: dict[Address, Answer] = field(default_factory=dict)
    trouble: Answer | None = None
    is_there: bool = True
    busy: float | None = None
    tells: bool = False

    def answer(self, answers: Mapping[Address, Answer]) -> None:
        """These recipients have theirs."""
        self.answers.update(answers)
        self.left = [row for row in self.left if row.recipient not in answers]

    def answer_all(self, answer: Answer) -> None:
        """Whoever is left has this one."""
        self.answer({row.recipient: answer for row in self.left})


class Delivering:
    """Delivers jobs for one process."""

    def __init__(self, kernel: Kernel, routes: Callable[[], Routes]) -> None:
        self._kernel = kernel
        self._routes = routes
        self._security = Security(kernel)
        self._connections = Connections(kernel)
        self._outcomes = Outcomes(kernel)
        self.tally = Tally(kernel.services.storage.kv(NAMESPACE), kernel.services.clock)

    async def close(self) -> None:
        """Hang up."""
        await self._connections.close()

    async def deliver(self, job: Job) -> Try:
        """Send one job, and keep what became of it."""
        began, rows = perf_counter(), job.rows
        trace = Trace(new_id(), f"{RELAY}{rows[0].recipient.ascii_domain}")
        trace.message = rows[0].message_id
        found = Try(job.destination, list(rows))
        try:
            if isinstance(job.route, Answer):
                found.answer_all(job.route)
            else:
                await self._send(found, trace, job.route)
        except HookFailed:  # who failed has been told
            found.answer_all(failed("4.3.0", "it cannot be made ready to be sent"))
        except NotMime as error:
            found.answer_all(failed("5.6.3", f"the next server does not know 8BITMIME, and {error}"))
        except Busy as busy:
            found.busy = busy.seconds
        except Exception as error:  # of the store, or ours: nothing is known of the message, so it stays
            _log.error("mail could not be sent", message=rows[0].message_id, reason=reason(error))
            found.answer_all(failed("4.3.0", "internal error"))
        self._record(trace, rows, found.answers, perf_counter() - began)
        await self.conclude(job, found)
        return found

    async def _send(self, found: Try, trace: Trace, to: NextHop | None) -> None:
        row = found.left[0]
        head = await self._head(row, trace)
        routes, domain = self._routes(), row.recipient.ascii_domain.lower()
        hops = await (routes.to(to) if to else routes.hops(domain, row.reverse_path))
        if isinstance(hops, Answer):
            found.answer_all(hops)
            return
        wanted = True if row.requires_tls else False if _spurns_tls(head) else None
        hops = await self._security.hops(domain, hops, trace, wanted)
        trouble: Broken = Unreached("nobody to ask")
        while found.left and hops:
            try:
                connection = await self._connections.get(row, hops)
            except Broken as broken:
                trouble = broken if isinstance(trouble, Unreached) else trouble
                break
            try:
                await self._give(connection, found, trace)
            except Broken as broken:
                trouble = broken
                if connection.client.in_doubt:
                    self._in_doubt(found, broken)
                    return
                if not connection.is_used:  # one that was idle may just have been idle for too long
                    hops = [hop for hop in hops if hop != connection.client.hop]
        if found.left and isinstance(trouble, NoTls):
            # RFC 8689 §4.2.1: what has to be protected is not kept until it can be.
            found.answer_all(failed("5.7.30" if wanted else trouble.enhanced, str(trouble)))
        elif found.left:
            found.trouble = failed(trouble.enhanced, str(trouble))
            found.is_there = not isinstance(trouble, Unreached)
            found.answer_all(found.trouble)

    async def _give(self, connection: Connection, found: Try, trace: Trace) -> None:
        """Send over a connection, in as many transactions as it takes. Broken, Busy, NotMime, HookFailed."""
        client, is_good = connection.client, False
        path, settings = found.left[0].reverse_path, self._kernel.settings
        alone = path is not None and is_varied(settings, path)
        most = 1 if alone else settings.relay.max_recipients
        try:
            while found.left:
                rows = found.left[:most]
                await self._connections.turn(connection, found.destination)
                parcel = await self._parcel(rows)
                eight_bit = "8BITMIME" in client.features
                async with outgoing(self._kernel, rows, trace, takes_8bit=eight_bit) as content:
                    said = await client.send(parcel, content)
                found.answer(said.answers)
                found.trouble = said.trouble
                found.tells = "DSN" in client.features
                most = min(most, max(len(rows) - len(said.left), 1))
            is_good = True
        except (Busy, NotMime, HookFailed):
            is_good = True
            raise
        finally:
            if is_good:
                self._connections.keep(connection)
            else:
                self._connections.drop(connection)

    def _in_doubt(self, found: Try, broken: Broken) -> None:
        """The other side may have the message and may not: it gets it again (RFC 5321 §4.5.4.2)."""
        _log.warning("mail may be sent twice", message=found.left[0].message_id, reason=str(broken))
        found.answer_all(failed("4.4.2", str(broken)))

    async def _head(self, row: QueueRow, trace: Trace) -> Headers:
        """The message's header; it says in which trace the message is."""
        head = Headers(await self._kernel.services.blobs.read(row.blob, 0, row.head_size))
        trace.add("note", "traceparent", "read", detail=traceparent_of(row.message_id, head))
        return head

    async def conclude(self, job: Job, found: Try) -> None:
        """Keep what was found out, and tell senders; rows that are left wait, and count as not tried."""
        storage, blobs = self._kernel.services.storage, self._kernel.services.blobs
        pairs = [(row, found.answers[row.recipient]) for row in job.rows if row.recipient in found.answers]
        outcomes = self._outcomes.of(pairs)
        wait = (found.busy or 0.0) * random.uniform(1, 1 + SPREAD)
        due = self._kernel.services.clock.time() + wait
        waiting = [QueueOutcome(row.position, Fate.WAITING, due_at=due) for row in found.left]
        reports: Sequence[Acceptance] | None = None
        for pause in (*PAUSES, None):
            try:
                if reports is None:
                    reports = await self._outcomes.reports(pairs, outcomes, reports_itself=found.tells)
                await storage.conclude(job.lease, [*outcomes, *waiting], reports)
                tell(self._kernel, self.tally, pairs, outcomes)
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
        self, trace: Trace, rows: Sequence[QueueRow], answers: Mapping[Address, Answer], seconds: float
    ) -> None:
        for row in rows:
            if (answer := answers.get(row.recipient)) is not None:
                said = "sent" if answer.is_success else "bounced" if answer.is_permanent else "deferred"
                trace.add(
                    "relay", str(row.recipient), said, seconds=seconds, detail=f"{answer.host} {answer}"
                )
        self._kernel.write_trace(trace)

    async def _parcel(self, rows: Sequence[QueueRow]) -> Parcel:
        row = rows[0]
        path = await path_of(self._kernel, row)
        recipients = {each.recipient: each.dsn for each in rows}
        return Parcel(path, recipients, row.ret, row.envid, row.requires_tls)


def _spurns_tls(head: Headers) -> bool:
    """Whether to arrive matters more to the sender than to be secure (RFC 8689 §5)."""
    return (head.get("TLS-Required") or "").strip().lower() == "no"
