"""The one change log behind every protocol."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from hub.mail.login import AccountRef


class ChangeKind(enum.Enum):
    """What happened to an account; the value is what stands in the log."""

    DELIVERED = "delivered"  # items accepted by SMTP
    APPENDED = "appended"  # items put in by a client
    FLAGGED = "flagged"
    EXPUNGED = "expunged"
    CREATED = "created"  # a collection
    RENAMED = "renamed"
    DELETED = "deleted"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    RIGHTS = "rights"  # who else may see a collection
    ANNOTATED = "annotated"  # a collection, or the account where collection is None
    QUEUED = "queued"  # queue rows were written; collection is None, here and in the next three
    SENT = "sent"  # a next hop has taken the message for the recipient `name`
    DEFERRED = "deferred"
    BOUNCED = "bounced"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of the log.

    position: store-wide, rising. modseq: the account's, one for a whole commit. collection: its id and
    name, None if the change is the account's; for what became of a queue row, name is its recipient.
    first_uid, last_uid: the smallest and largest UID touched, 0 if none is. message_id: the message's id for
    deliveries and queue rows. account is None for a queue row of a sender without an account here.
    """

    position: int
    account: AccountRef | None
    modseq: int
    kind: ChangeKind
    collection: int | None
    name: str | None
    first_uid: int
    last_uid: int
    message_id: str | None


@dataclass(frozen=True, slots=True)
class MailboxHistory:
    """What the log says of a mailbox since a modseq, as ascending ranges of UIDs, both ends included.

    touched: whatever is new or has changed is among these, and some that have not. vanished: as in
    `MailboxChanges`.
    """

    touched: Sequence[tuple[int, int]]
    vanished: Sequence[tuple[int, int]]
