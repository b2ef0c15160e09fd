"""From answers to what is kept of them: sent, deferred until when, bounced, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hub.delivery.accept import Content, Recipient, keep
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.envelope import Envelope
from hub.mail.ident import new_id
from hub.relay.answers import Answer
from hub.relay.reports import MOST_RETURNED, Kind, Told, report, wants
from hub.relay.schedule import Schedule
from hub.services.directory import Resolution
from hub.services.queue import Fate, QueueOutcome, QueueRow
from hub.services.storage import Acceptance

Pairs: TypeAlias = Sequence[tuple[QueueRow, Answer]]

_log = get_logger(area="relay")


class Outcomes:
    """What follows from the answers to one job."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

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
        """The mail that tells the sender, its bytes durable.

        reports_itself: the next hop tells of success.
        """
        told: dict[Kind, list[Told]] = {}
        for (row, answer), outcome in zip(pairs, outcomes, strict=True):
            kind = self._kind(row, outcome, reports_itself)
            if kind is not None and wants(row, kind):
                told.setdefault(kind, []).append(Told(row, answer))
            elif kind == "failed" and row.reverse_path is None:
                _log.warning("a report cannot be delivered", message=row.message_id, to=row.recipient)
        made = [await self._make(kind, each) for kind, each in told.items()]
        return [each for each in made if each is not None]

    def _kind(self, row: QueueRow, outcome: QueueOutcome, reports_itself: bool) -> Kind | None:
        if outcome.fate is Fate.SENT:
            return None if reports_itself else "relayed"
        if outcome.fate is Fate.BOUNCED:
            return "failed"
        # One of the tries, and only one, is the last before that time.
        delay = self._kernel.settings.relay.delay_report
        waited = max(row.due_at, row.created_at) - row.created_at
        return "delayed" if waited < delay <= outcome.due_at - row.created_at else None

    async def _make(self, kind: Kind, told: Sequence[Told]) -> Acceptance | None:
        services, hostname = self._kernel.services, self._kernel.settings.hub.hostname
        row, now, identity = told[0].row, services.clock.time(), new_id()
        sender = row.reverse_path
        assert sender is not None
        if await services.directory.is_local(sender.domain):
            found = await services.directory.resolve(sender)
        else:
            found = Resolution(forwards=(sender,))
        if found is None:
            _log.warning("nobody can be told what became of mail", message=row.message_id, sender=sender)
            return None
        head = await services.blobs.read(row.blob, 0, row.head_size)
        body = b""
        if row.ret == "FULL" and row.size <= MOST_RETURNED:
            body = await services.blobs.read(row.blob, row.head_size)
        text = report(kind, told, (head, body), hostname, identity, now)
        at = text.index(b"\r\n\r\n") + 4
        envelope = Envelope(identity, None, (sender,))
        content = Content(text[:at], text[at:])
        return await keep(self._kernel, envelope, [Recipient(sender, found)], content, sender=None)
