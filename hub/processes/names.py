"""What supervisor and workers say to each other."""

from __future__ import annotations

from enum import StrEnum


class Note(StrEnum):
    """What a worker writes on its lifeline, one JSON line `[note, text]` each."""

    READY = "ready"
    """It serves."""

    FAILED = "failed"
    """It cannot start; the text says why."""

    CHANGED = "changed"
    """Something was saved in a watched place."""


def worker_socket(number: int) -> str:
    """The name of a worker's control socket in the data folder."""
    return f"worker-{number}.sock"
