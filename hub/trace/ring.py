"""The records of all sessions on disk: two files that take turns, so that the ring never outgrows its bound.

Each line is one JSON object: a session, or a part of a long one, with its records. It is appended in one
write, unsynced; after a crash a torn last line is skipped. Several processes append to the same files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import orjson

from hub.trace.record import Record, Trace

CURRENT: Final = "current.jsonl"
PREVIOUS: Final = "previous.jsonl"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A part of a session as it was recorded.

    started_at: seconds since the epoch. dropped: how many records were let go.
    """

    session_id: str
    about: str
    started_at: float
    dropped: int
    records: tuple[Record, ...]


def line(trace: Trace) -> bytes:
    """What the trace holds now, as a line of the ring; the trace is empty afterwards."""
    records, dropped = trace.take()
    said = [trace.session_id, trace.about, trace.started_at, dropped, records]
    try:
        return orjson.dumps(said) + b"\n"
    except orjson.JSONEncodeError:  # half a surrogate pair, which a plugin may have said
        return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class TraceRing:
    """Appends sessions to the ring in a folder, at most `max_size` octets in all."""

    def __init__(self, folder: Path, max_size: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._half = max_size // 2

    def append(self, lines: bytes) -> None:
        """Write lines in one append. OSError; blocks for as long as the disk takes."""
        while not self._write(lines):
            pass

    def _write(self, lines: bytes) -> bool:
        """Append to the current file; False if it was full, and is now the previous one."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._folder / CURRENT, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and size + len(lines) > self._half:
                self._turn(descriptor)
                return False
            os.write(descriptor, lines)
            return True
        finally:
            os.close(descriptor)

    def _turn(self, descriptor: int) -> None:
        """Make the current file the previous one, unless another process just did."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        current = self._folder / CURRENT
        with contextlib.suppress(FileNotFoundError):
            if current.stat().st_ino == os.fstat(descriptor).st_ino:
                current.rename(self._folder / PREVIOUS)


def find(folder: Path, needle: str) -> Iterator[Recorded]:
    """Every recorded part of a session that mentions the text, oldest first, one at a time."""
    wanted = orjson.dumps(needle)[1:-1]
    for name in (PREVIOUS, CURRENT):
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                    yield from _find_lines(view, wanted)


def _find_lines(view: mmap.mmap, wanted: bytes) -> Iterator[Recorded]:
    position = 0
    while (hit := view.find(wanted, position)) >= 0:
        start = view.rfind(b"\n", 0, hit) + 1
        end = view.find(b"\n", hit)
        if end < 0:
            return
        session = _parse(view[start:end])
        if session is not None:
            yield session
        position = end


def _parse(line: bytes) -> Recorded | None:
    try:
        session_id, about, started_at, dropped, records = orjson.loads(line)
        return Recorded(
            session_id, about, started_at, dropped, tuple(cast(Record, tuple(r)) for r in records)
        )
    except (ValueError, TypeError):  # torn by a crash
        return None
