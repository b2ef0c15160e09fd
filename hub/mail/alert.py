"""What an operator is told about the hub, and what became of telling it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


class Severity(enum.StrEnum):
    """How urgent an alert is, the least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least, to compare."""
        return list(Severity).index(self)


class AlertStatus(enum.StrEnum):
    """Where an alert stands: `acknowledged` means that an operator has silenced what was told before."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that an operator should know, as it stands now.

    key: the same from its first notice to its resolution, up to 200 characters; what pages twice is one page
    by it. summary: a sentence. details: more of it, in words, by name. labels: what it is about, such as
    `plugin`. since: when it began, in seconds since the epoch. count: of events, or of alerts that this one
    stands for. source: the hub's host name.
    """

    key: str
    rule: str
    severity: Severity
    status: AlertStatus
    summary: str
    source: str
    since: float
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of handing something to a service outside: without a trouble, it has it.

    trouble: what went wrong, in words that hold no secret. again: whether a later attempt may succeed. after:
    seconds that the service asks to be left alone, also if it has taken this.
    """

    trouble: str | None = None
    again: bool = False
    after: float = 0.0
