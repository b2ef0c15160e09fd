"""What a report says, whichever kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["dmarc", "tls"]


class ReportError(ValueError):
    """What looked like a report is none; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """What was counted alike. source: an address that sent mail, or the server that was connected to.

    count: messages, or connections. passed: DMARC passed, or TLS was as the policy has it. outcome: what
    became of the mail (`none`, `quarantine`, `reject`), or what was wrong with TLS. detail: in a few words.
    """

    source: str
    count: int
    passed: bool
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """One report of one domain.

    reporter: who made it, by their own word. begin, end: seconds since the epoch.
    """

    kind: Kind
    reporter: str
    identity: str
    domain: str
    begin: int
    end: int
    lines: tuple[Line, ...]


MAX_LINES = 20_000
"""Lines of one report; more are refused with it."""
MAX_TEXT = 300


def short(text: object) -> str:
    """Text of theirs as it is kept: printable, and not long."""
    return "".join(each if each.isprintable() else "?" for each in str(text or "").strip()[:MAX_TEXT])
