"""What is open in this process, and which line has opened it."""

from __future__ import annotations

import gc
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from io import IOBase
from pathlib import Path
from socket import socket
from typing import Final

ENDING: Final = 1.0
"""Seconds that threads get to end what they are doing."""


@dataclass(frozen=True, slots=True)
class Open:
    """Threads by identity, and descriptors with what they lead to."""

    threads: dict[int, str]
    descriptors: dict[int, str]


@dataclass(frozen=True, slots=True)
class Leftover:
    """what: in a few words. place: file and line that has opened it, if that is known.

    For descriptors that is while tracemalloc traces.
    """

    what: str
    place: tuple[str, int] | None = None


def take_stock() -> Open:
    """What is open now, after a collection."""
    gc.collect()
    threads = {each.ident or 0: each.name for each in threading.enumerate()}
    descriptors: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return Open(threads, descriptors)


def left_since(before: Open, inside: Path) -> Iterator[Leftover]:
    """What is open now and was not before. inside: where the lines are looked for."""
    deadline = time.monotonic() + ENDING
    for thread in threading.enumerate():
        if thread.ident not in before.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    now = take_stock()
    for ident, name in now.threads.items():
        if ident not in before.threads:
            yield Leftover(f"a thread is left running: {name}")
    for number, target in now.descriptors.items():
        if before.descriptors.get(number) != target:
            kind, _, _ = target.partition(":")
            what = "a socket" if kind == "socket" else "a pipe" if kind == "pipe" else f"the file {target}"
            yield Leftover(
                f"{what} is left open", _opened(number, inside) if tracemalloc.is_tracing() else None
            )


def _opened(descriptor: int, inside: Path) -> tuple[str, int] | None:
    """Where the object with that descriptor was made."""
    for each in gc.get_objects():
        if isinstance(each, socket | IOBase) and _number(each) == descriptor:
            made = tracemalloc.get_object_traceback(each)
            for frame in reversed(made or ()):
                if Path(frame.filename).is_relative_to(inside):
                    return frame.filename, frame.lineno
    return None


def _number(file: socket | IOBase) -> int:
    try:
        return file.fileno()
    except (OSError, ValueError):
        return -1
