"""What supervisor and workers say to each other."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from hub.dispatch.judging import NOTES

ASKING: Final = 30.0
"""Seconds that a plugin in a worker has to answer a question."""


class Note(StrEnum):
    """What a worker writes on its lifeline, one JSON line `[note, text]` each."""

    READY = "ready"
    """It serves."""

    FAILED = "failed"
    """It cannot start; the text says why."""

    CHANGED = "changed"
    """Something was saved in a watched folder of plugins."""

    CONFIG = "config"
    """The configuration was saved, or a certificate."""


def worker_notes(number: int) -> str:
    """The name of the file in the data folder where a worker notes what it judges."""
    return f"worker-{number}{NOTES}"


def worker_socket(number: int) -> str:
    """The name of a worker's control socket in the data folder."""
    return f"worker-{number}.sock"
