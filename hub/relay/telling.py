"""What became of mail, told to plugins and counted, once the queue has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from hub.hooks.relay import message_bounced, message_deferred, message_sent
from hub.loading.kernel import Kernel
from hub.mail.address import Address
from hub.mail.bounce import classify_bounce
from hub.mail.login import AccountRef
from hub.relay.answers import Answer
from hub.relay.tally import Tally
from hub.services.queue import Fate, QueueOutcome, QueueRow


class _Said(TypedDict):
    """What all three facts say."""

    message_id: str
    sender: AccountRef | None
    reverse_path: Address | None
    recipient: Address
    host: str
    code: int
    enhanced: str
    text: str
    attempts: int
    seconds: float


def tell(
    kernel: Kernel, tally: Tally, pairs: Sequence[tuple[QueueRow, Answer]], outcomes: Sequence[QueueOutcome]
) -> None:
    """Tell of each recipient; pairs and outcomes in the same order."""
    now = kernel.services.clock.time()
    pin = kernel.generations.pin()
    try:
        sent, deferred = pin.notify(message_sent), pin.notify(message_deferred)
        bounced = pin.notify(message_bounced)
        for (row, answer), outcome in zip(pairs, outcomes, strict=True):
            domain = row.recipient.ascii_domain
            said = _Said(
                message_id=row.message_id,
                sender=row.sender,
                reverse_path=row.reverse_path,
                recipient=row.recipient,
                host=answer.host,
                code=answer.code,
                enhanced=answer.enhanced,
                text=answer.text,
                attempts=row.attempts + 1,
                seconds=max(now - row.created_at, 0.0),
            )
            if outcome.fate is Fate.SENT:
                tally.add(domain, "sent")
                sent(**said)
                continue
            bounce = classify_bounce(answer.code, answer.enhanced, answer.text)
            tally.add(domain, f"{outcome.fate.value} {bounce}")
            if outcome.fate is Fate.DEFERRED:
                deferred(**said, bounce=bounce, due_at=outcome.due_at)
            else:
                bounced(**said, bounce=bounce)
    finally:
        pin.release()
