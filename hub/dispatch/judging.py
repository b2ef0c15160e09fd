"""What this process is judging, in a small mapped file that outlives it.

A process that dies cannot say what it died of. So every step that is given a message writes down, in a slot
of its own, whose message it has and who it is, and whether its code is being run right now:

header (magic, heartbeats, the loop's thread) | slot | slot | …
slot: state, content, message id, plugin with file and line, thread
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
import struct
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

R = TypeVar("R")

NOTES: Final = ".notes"
"""How the file's name ends."""
BEAT: Final = 0.25
"""Seconds between two heartbeats of a loop that is not blocked."""

_MAGIC: Final = b"hub-note"
_HEADER: Final = struct.Struct("<8sQQ104x")
_MESSAGE: Final = struct.Struct("<B16s31s")
_STEP: Final = struct.Struct("<80s")
_THREAD: Final = struct.Struct("<Q")
_SLOT: Final = struct.Struct("<B16s31s80sQ")
_BEATS: Final = struct.Struct("<Q")
_BEATS_AT: Final = 8
_SLOTS: Final = 1023
"""Steps under way at once beyond these share the last slot."""
SIZE: Final = _HEADER.size + _SLOTS * _SLOT.size
_SHARED: Final = SIZE - _SLOT.size
_FREE, _WAITING, _RUNNING = range(3)


@dataclass(frozen=True, slots=True)
class Note:
    """One step that was under way.

    content: as `content_key` gives it. plugin: its name, the file and line of the implementation. running:
    whether its code was being run, not waited for. thread: the one that ran it, as `threading.get_ident` has
    it; on_loop: whether that is the event loop's.
    """

    content: bytes
    message: str
    plugin: str
    running: bool
    thread: int = 0
    on_loop: bool = False


def content_key(head: bytes, body_size: int) -> bytes:
    """What is the same at every try of a message: 16 octets of its header block, as it came, and its size."""
    return hashlib.sha256(b"%d " % body_size + head).digest()[:16]


class Judging:
    """What is noted from `open` to `close` lies in the file; else it is only in memory.

    slots: the mapped octets. set_aside: content → why it is judged no more; it grows while the hub runs.
    """

    def __init__(self) -> None:
        self.set_aside: dict[bytes, str] = {}
        self._path: Path | None = None
        self.slots: mmap.mmap | bytearray = bytearray(SIZE)
        self._free = list(range(_HEADER.size, _SHARED, _SLOT.size))[::-1]
        self._beats = 0
        self._timer: asyncio.TimerHandle | None = None

    def open(self, path: Path, set_aside: Mapping[bytes, str]) -> None:
        """Make the file and let the heart beat in the running loop. OSError."""
        self.set_aside.update(set_aside)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)  # else a full disk would end us at the first note
            self.slots = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        self._path = path
        self.slots[: _HEADER.size] = _HEADER.pack(_MAGIC, 0, threading.get_ident())
        self._beat()

    def close(self) -> None:
        """Remove the file: whoever ends of its own will has not died of anything."""
        if self._timer is not None:
            self._timer.cancel()
        mapped, self.slots = self.slots, bytearray(SIZE)  # what still runs writes where nobody reads
        if isinstance(mapped, mmap.mmap):
            mapped.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _beat(self) -> None:
        self._beats += 1
        _BEATS.pack_into(self.slots, _BEATS_AT, self._beats)
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def take(self, message: bytes, step: bytes) -> int:
        """The offset of a slot for a step that this thread runs; whoever finds none shares the last.

        message: as `Judged` has it; step: as `step_note` gives it.
        """
        try:
            offset = self._free.pop()
        except IndexError:
            offset = _SHARED
        self.slots[offset : offset + _SLOT.size] = message + step + _THREAD.pack(threading.get_ident())
        return offset

    def free(self, offset: int) -> None:
        """The step has ended."""
        self.slots[offset] = _FREE
        if offset != _SHARED:
            self._free.append(offset)


def step_note(plugin: str) -> bytes:
    """What is noted of a step: its plugin, with file and line, as far as there is room for it."""
    return _STEP.pack(plugin.encode())


class Judged:
    """A message that is being judged, and where that is written down. content: its `content_key`."""

    __slots__ = ("judging", "note")

    def __init__(self, judging: Judging, content: bytes, message: str) -> None:
        self.judging = judging
        self.note = _MESSAGE.pack(_RUNNING, content, message.encode())

    def coroutine(self, work: Coroutine[object, object, R], step: bytes) -> Coroutine[object, object, R]:
        """The same work, written down for as long as it lasts."""
        return _Noted(work, self.judging, self.judging.take(self.note, step))

    def function(self, work: Callable[[], R], step: bytes) -> R:
        """Call the work, written down while it runs; in a thread."""
        offset = self.judging.take(self.note, step)
        try:
            return work()
        finally:
            self.judging.free(offset)


JUDGED: Final[ContextVar[Judged | None]] = ContextVar("hub_judged", default=None)
"""The message whose checks this task runs."""


class _Noted(Coroutine[object, object, R]):
    """A coroutine that notes, around every entry, that its code is being run."""

    __slots__ = ("_judging", "_offset", "_work")

    def __init__(self, work: Coroutine[object, object, R], judging: Judging, offset: int) -> None:
        self._work = work
        self._judging = judging
        self._offset = offset

    def send(self, value: object, /) -> object:
        slots, offset = self._judging.slots, self._offset
        slots[offset] = _RUNNING
        try:
            awaited = self._work.send(value)
        except BaseException:
            self._end()
            raise
        slots[offset] = _WAITING
        return awaited

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> object:
        slots, offset = self._judging.slots, self._offset
        slots[offset] = _RUNNING
        try:
            awaited = self._work.throw(kind if isinstance(kind, BaseException) else kind())
        except BaseException:
            self._end()
            raise
        slots[offset] = _WAITING
        return awaited

    def close(self) -> None:
        try:
            self._work.close()
        finally:
            self._end()

    def __await__(self) -> Generator[object, object, R]:
        return self._work.__await__()

    def _end(self) -> None:
        offset, self._offset = self._offset, _SHARED
        if offset != _SHARED:
            self._judging.free(offset)


def read_notes(path: Path) -> list[Note]:
    """What stands in the file of a process that died; nothing if it ended of its own will. OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    if len(content) != SIZE or not content.startswith(_MAGIC):
        return []
    loop = _HEADER.unpack_from(content)[2]
    return [
        Note(key, _text(message), _text(plugin), state == _RUNNING, thread, thread == loop)
        for state, key, message, plugin, thread in _SLOT.iter_unpack(content[_HEADER.size :])
        if state != _FREE
    ]


def read_beats(path: Path) -> int:
    """How often the process's heart has beaten; 0 before the first."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
    except FileNotFoundError:
        return 0
    return _BEATS.unpack_from(header, _BEATS_AT)[0] if len(header) == _HEADER.size else 0


def _text(octets: bytes) -> str:
    return octets.rstrip(b"\0").decode("utf-8", "replace")
