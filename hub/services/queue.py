"""The queue: a row for each recipient elsewhere of each message, sent by whoever holds its lease."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from hub.mail.address import Address
from hub.mail.dsn import NOT_SAID, RecipientDsn, Ret
from hub.mail.login import AccountRef

PERSONAL: Final = 0
AUTOMATIC: Final = 1
BULK: Final = 2
"""What goes first, what after that, and what last: priorities of rows."""


class LeaseLost(LookupError):
    """Somebody else has these rows by now, or they are gone: what was found out about them does not count."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One recipient of one message, waiting to be sent on.

    head_size, size: octets of the header block, and of it with the body. ret, envid, dsn: what the sender
    wants to hear about it (RFC 3461). attempts: how often it was tried; due_at: when it is tried next, in
    seconds since the epoch; reply: what the last try was answered. sender: the account that handed the
    message in; None for what came from elsewhere and for the hub's own mail. priority: the lower goes
    first. requires_tls: nobody on its way may be able to read or change it (RFC 8689).
    """

    position: int
    message_id: str
    reverse_path: Address | None
    recipient: Address
    blob: str
    head_size: int
    size: int
    created_at: float
    state: Literal["queued", "held"]
    ret: Ret | None = None
    envid: str | None = None
    dsn: RecipientDsn = NOT_SAID
    attempts: int = 0
    due_at: float = 0.0
    reply: str = ""
    sender: AccountRef | None = None
    priority: int = PERSONAL
    requires_tls: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows that nobody else sends until the lease ends. lease: its number, which every outcome names."""

    lease: int
    rows: Sequence[QueueRow]


class Fate(enum.Enum):
    """What a try came to."""

    SENT = "sent"  # the next hop has taken it, or nobody wants it any more
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    WAITING = "waiting"  # it was not tried after all, and is due later


@dataclass(frozen=True, slots=True)
class QueueOutcome:
    """What a try of one row came to. reply: what was answered; due_at: when it is tried again."""

    position: int
    fate: Fate
    reply: str = ""
    due_at: float = 0.0


class QueueAction(enum.Enum):
    """What an operator does to rows."""

    RETRY = "retry"  # it is due now
    HOLD = "hold"  # it is not sent until it is released
    RELEASE = "release"
    DROP = "drop"  # it is gone, and nobody is told


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: those to which all that is said here applies. domain: the recipient's."""

    message_id: str | None = None
    domain: str | None = None
    recipient: Address | None = None
    sender: Address | None = None
    state: Literal["queued", "held"] | None = None


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many rows have this in common. age: how many of the moments asked about they are older than."""

    domain: str
    state: Literal["queued", "held"]
    priority: int
    age: int
    rows: int
