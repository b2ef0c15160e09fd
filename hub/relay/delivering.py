"""One job: who is asked to take it, what that server says, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
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
from hub.relay.claims import Job
from hub.relay.client import Broken, Client, Parcel
from hub.relay.connecting import Connecting
from hub.relay.outcomes import Outcomes
from hub.relay.outgoing import outgoing
from hub.relay.routes import Routes
from hub.services.queue import LeaseLost, QueueRow
from hub.services.storage import Acceptance
from hub.trace.record import RELAY, Trace

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""Seconds between tries to keep an outcome: what is not kept is sent again."""

_log = get_logger(area="relay")


class Delivering:
    """Delivers jobs for one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._settings = kernel.settings.relay
        self._routes = self._make_routes()
        self._connecting = Connecting(kernel)
        self._outcomes = Outcomes(kernel)

    async def deliver(self, job: Job, client: Client | None) -> Client | None:
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
        await self._conclude(job, answers, reports_itself=client is not None and "DSN" in client.features)
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
        self._take_settings()
        hops = await self._routes.hops(rows[0].recipient.ascii_domain)
        if isinstance(hops, Answer):
            return {row.recipient: hops for row in rows}, None
        trouble = Broken("nobody to ask")
        for hop in hops:
            try:
                client = await self._connecting.connect(hop)
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

    def _lost(self, rows: Sequence[QueueRow], broken: Broken) -> dict[Address, Answer]:
        """The other side may have the message and may not: it gets it again (RFC 5321 §4.5.4.2)."""
        _log.warning("mail may be sent twice", message=rows[0].message_id, reason=str(broken))
        return {row.recipient: failed("4.4.2", str(broken)) for row in rows}

    async def _note_traceparent(self, row: QueueRow, trace: Trace) -> None:
        """Say in which trace the message is."""
        head = await self._kernel.services.blobs.read(row.blob, 0, row.head_size)
        context = traceparent_of(row.message_id, Headers(head))
        trace.add("note", "traceparent", "read", detail=context)

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

    def _take_settings(self) -> None:
        """The configuration may have been reloaded."""
        if self._kernel.settings.relay is not self._settings:
            self._settings = self._kernel.settings.relay
            self._routes = self._make_routes()

    def _make_routes(self) -> Routes:
        settings = self._settings
        return Routes(self._kernel.settings.hub.hostname, self._kernel.services.dns, settings.routes)
