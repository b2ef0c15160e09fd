"""Mail that nobody else can be told of goes to the postmaster: reports that come back, and loops.

What comes too often is only counted, and the next notice says how much that was: a flood of forged mail must
not fill the mailbox that the operator reads. Each is in the log besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hub.delivery.reporting import keep_report
from hub.delivery.reports import MOST_RETURNED, About, Told, is_notice
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.address import Address
from hub.services.queue import QueueRow
from hub.services.storage import Acceptance

PER_HOUR: Final = 20
"""Notices that one worker sends in an hour."""

_log = get_logger(area="relay")


class Postmaster:
    """Notices of one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._hour = 0
        self._sent = 0
        self._left_out = 0

    async def of_double_bounce(self, row: QueueRow, head: bytes, told: Sequence[Told]) -> Acceptance | None:
        """Mail without a sender that does not arrive: a report, most often (RFC 5321 §6.1)."""
        if not told:
            return None
        _log.warning("a report cannot be delivered", message=row.message_id, to=row.recipient)
        words = (
            "Undeliverable report: mail without a sender, often a report, does not reach the addresses below."
        )
        return await self._notice(row, head, told, words)

    async def of_lost_sender(self, row: QueueRow, head: bytes, told: Sequence[Told]) -> Acceptance | None:
        """Its sender has no mailbox here any more."""
        _log.warning(
            "nobody can be told what became of mail", message=row.message_id, sender=row.reverse_path
        )
        words = (
            f"Undeliverable mail without a sender: {row.reverse_path}, who has sent it, has no mailbox here."
        )
        return await self._notice(row, head, told, words)

    async def of_loop(self, row: QueueRow, head: bytes, told: Sequence[Told]) -> Acceptance | None:
        """It goes in circles; the sender is told too, and can do nothing about it."""
        words = (
            "Mail loop: mail to the addresses below goes in circles, so a route, an alias or DNS is wrong."
        )
        return await self._notice(row, head, told, words)

    async def _notice(
        self, row: QueueRow, head: bytes, told: Sequence[Told], words: str
    ) -> Acceptance | None:
        if is_notice(head) or not self._may_send():
            _log.warning("the postmaster is not told", message=row.message_id, left_out=self._left_out)
            return None
        settings, blobs = self._kernel.settings, self._kernel.services.blobs
        said = settings.relay.postmaster
        to = Address.parse(said) if said else Address("postmaster", "")
        more = f" {self._left_out} such notices were left out before." if self._left_out else ""
        body = await blobs.read(row.blob, row.head_size) if row.size <= MOST_RETURNED else None
        about = About(to, row.created_at, head, body, notice=words + more)
        made = await keep_report(self._kernel, "failed", about, told)
        if made is None:
            _log.warning("there is no postmaster", message=row.message_id)
        else:
            self._left_out = 0
        return made

    def _may_send(self) -> bool:
        hour = int(self._kernel.services.clock.time() // 3600)
        if hour != self._hour:
            self._hour, self._sent = hour, 0
        if self._sent >= PER_HOUR:
            self._left_out += 1
            return False
        self._sent += 1
        return True
