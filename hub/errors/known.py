"""What is known about an error before it happens: its code, who hears what, and what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Category(enum.StrEnum):
    """What becomes of it."""

    RECOVERABLE = "recoverable"
    """It goes by itself, or when the other side tries again."""
    PERMANENT = "permanent"
    """It stays until somebody changes something."""
    FATAL = "fatal"
    """The hub, or a worker of it, cannot go on."""


@dataclass(frozen=True, slots=True)
class KnownError:
    """One entry of the catalogue.

    code: stable, such as `smtp-no-relaying`. enhanced: of RFC 3463. text: what a client is told, empty if
    none hears of it; `…` stands for what differs. event: how the log calls it, empty if it is not logged.
    advice: what the operator should do, in sentences.
    """

    code: str
    category: Category
    enhanced: str
    text: str
    event: str
    advice: str
