"""From answers to what is kept of them: sent, deferred until when, bounced, and who is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeAlias

from hub.delivery.forged import seems_forged
from hub.delivery.reporting import all_or_none, keep_report
from hub.delivery.reports import About, Kind, Told, returns_all
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.bounce import classify_bounce
from hub.relay.answers import Answer
from hub.relay.postmaster import Postmaster
from hub.relay.schedule import Schedule
from hub.services.queue import Fate, QueueOutcome, QueueRow
from hub.services.storage import Acceptance

Pairs: TypeAlias = Sequence[tuple[QueueRow, Answer]]

_log = get_logger(area="relay")


class Outcomes:
    """What follows from the answers to one job."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._postmaster = Postmaster(kernel)

    def of(self, pairs: Pairs) -> list[QueueOutcome]:
        """For the queue, in the order of the pairs."""
        return [self._of(row, answer) for row, answer in pairs]

    def _of(self, row: QueueRow, answer: Answer) -> QueueOutcome:
        if answer.is_success:
            return QueueOutcome(row.position, Fate.SENT, str(answer))
        due = None if answer.is_permanent else self._next_try(row)
        if due is None:
            return QueueOutcome(row.position, Fate.BOUNCED, str(answer))
        return QueueOutcome(row.position, Fate.DEFERRED, str(answer), due)

    def _next_try(self, row: QueueRow) -> float | None:
        settings = self._kernel.settings.relay
        schedule = Schedule(settings.first_retry, settings.longest_retry, settings.give_up)
        return schedule.next_try(row.attempts, row.created_at, self._kernel.services.clock.time())

    async def reports(
        self, pairs: Pairs, outcomes: Sequence[QueueOutcome], *, reports_itself: bool
    ) -> Sequence[Acceptance]:
        """The mail that tells the sender, or the postmaster if there is none to tell; its bytes durable.

        reports_itself: the next hop tells of success.
        """
        told: dict[Kind, list[Told]] = {}
        loops: list[Told] = []
        for (row, answer), outcome in zip(pairs, outcomes, strict=True):
            kind = self._kind(row, outcome, reports_itself)
            if kind is None:
                continue
            each = self._told(row, answer)
            if wants(row, kind):
                told.setdefault(kind, []).append(each)
            if kind == "failed" and classify_bounce(answer.code, answer.enhanced, answer.text) == "loop":
                loops.append(each)
        if not told and not loops:
            return ()
        row = pairs[0][0]
        head = await self._kernel.services.blobs.read(row.blob, 0, row.head_size)
        if row.reverse_path is None:
            notice = await self._postmaster.of_double_bounce(row, head, told.get("failed", ()))
            return [notice] if notice else []
        return await all_or_none(self._kernel, self._make(row, head, told, loops))

    async def _make(
        self, row: QueueRow, head: bytes, told: Mapping[Kind, Sequence[Told]], loops: Sequence[Told]
    ) -> AsyncIterator[Acceptance | None]:
        for kind, each in told.items():
            yield await self._to_sender(row, head, kind, each)
        if loops:
            yield await self._postmaster.of_loop(row, head, loops)

    def _told(self, row: QueueRow, answer: Answer) -> Told:
        return Told(
            row.recipient,
            row.dsn.original,
            answer.enhanced,
            answer.text,
            answer.host,
            answer.code if answer.host else 0,
            self._kernel.services.clock.time(),
            row.created_at + self._kernel.settings.relay.give_up,
        )

    def _kind(self, row: QueueRow, outcome: QueueOutcome, reports_itself: bool) -> Kind | None:
        if outcome.fate is Fate.SENT:
            return None if reports_itself else "relayed"
        if outcome.fate is Fate.BOUNCED:
            return "failed"
        # One of the tries, and only one, is the last before that time.
        delay = self._kernel.settings.relay.delay_report
        waited = max(row.due_at, row.created_at) - row.created_at
        return "delayed" if waited < delay <= outcome.due_at - row.created_at else None

    async def _to_sender(
        self, row: QueueRow, head: bytes, kind: Kind, told: Sequence[Told]
    ) -> Acceptance | None:
        assert row.reverse_path is not None
        if row.sender is None and seems_forged(head):
            _log.warning("a report would reach somebody who has not sent the mail", message=row.message_id)
            return None
        body = None
        if returns_all(kind, row.ret, row.size):
            body = await self._kernel.services.blobs.read(row.blob, row.head_size)
        about = About(row.reverse_path, row.created_at, head, body, row.envid)
        made = await keep_report(self._kernel, kind, about, told)
        if made is None and kind == "failed":
            return await self._postmaster.of_lost_sender(row, head, told)
        return made


def wants(row: QueueRow, kind: Kind) -> bool:
    """Whether the sender is to hear of it: nobody hears who asked for silence (RFC 3461 §4.1)."""
    notify = row.dsn.notify
    if kind == "failed":
        return notify is None or "FAILURE" in notify
    wanted = "DELAY" if kind == "delayed" else "SUCCESS"
    if notify is None:
        return kind == "delayed"  # it is up to us
    return wanted in notify
