"""Noticing that somebody has saved a file, within a blink and without looking all the time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from hub.log import get_logger

QUIET: Final = 0.05
"""Seconds after the last event of a burst until we look."""

LATEST: Final = 0.25
"""Seconds after the first event of a burst, however long it lasts."""

_NAMES: Final[tuple[type[FileSystemEvent], ...]] = (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
)
# Not FileOpenedEvent and FileClosedNoWriteEvent: those are our own reads.
_CONTENT: Final = (*_NAMES, FileModifiedEvent, FileClosedEvent, FileAttribEvent)

Watch: TypeAlias = tuple[Path, bool, bool]
"""(folder, with all folders in it?, content too or only names coming and going?)"""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder to watch, with all folders in it or alone."""

    folder: Path
    deep: bool = True


class Watcher(FileSystemEventHandler):
    """Calls `changed` on the event loop, one call at a time, after something was written in a watched place.

    A place need not be there yet, and may go and come back: the folder above it is watched for that. Where
    it is a symbolic link, both the link and what it points to are watched. Reading a file is no event.
    """

    def __init__(self, changed: Callable[[], Awaitable[object]]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._observer = Observer()
        self._places: dict[Place, Path] = {}
        self._watches: dict[Watch, ObservedWatch] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._first = 0.0
        self._due = asyncio.Event()
        self._log = get_logger(area="loading")
        self._observer.start()
        self._task = self._loop.create_task(self._serve())

    def watch(self, places: Iterable[Place]) -> None:
        """Watch these places from now on, and no others."""
        self._places = {place: place.folder for place in places}
        self._sync()

    async def close(self) -> None:
        """End the watching; a call of `changed` under way is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        self._task.cancel()
        self._observer.stop()
        await asyncio.to_thread(self._observer.join)
        await asyncio.wait((self._task,))

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called in watchdog's thread."""
        paths = [Path(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path]
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._seen, paths)

    def _seen(self, paths: list[Path]) -> None:
        touched = False
        for place, real in self._places.items():
            if any(place.folder.is_relative_to(path) for path in paths):
                # The folder itself, or one above it, has come, gone or been exchanged: a watch on it is dead.
                for watch in [watch for watch in self._watches if watch[0] == real and watch[2]]:
                    self._unschedule(watch)
                touched = True
            elif any(path.is_relative_to(real) and "__pycache__" not in path.parts for path in paths):
                self._touch()
        if touched:
            self._sync()
            self._touch()

    def _touch(self) -> None:
        """Wait until it is quiet, but not for long."""
        now = self._loop.time()
        if self._timer is None:
            self._first = now
        else:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(now + QUIET, self._first + LATEST), self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._due.set()

    async def _serve(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._changed()
            except Exception as error:
                self._log.error(
                    "looking for changed plugins failed", reason=f"{type(error).__name__}: {error}"
                )

    def _sync(self) -> None:
        """Have exactly the watches that the places need now."""
        self._places = {place: place.folder.resolve() for place in self._places}
        wanted: set[Watch] = set()
        for place, real in self._places.items():
            above = next(parent for parent in place.folder.parents if parent.is_dir())
            wanted.add((above, False, False))
            if real.is_dir():
                wanted.add((real, place.deep, True))
        for watch in self._watches.keys() - wanted:
            self._unschedule(watch)
        for watch in wanted - self._watches.keys():
            self._schedule(watch)

    def _schedule(self, watch: Watch) -> None:
        folder, deep, content = watch
        try:
            self._watches[watch] = self._observer.schedule(
                self, str(folder), recursive=deep, event_filter=list(_CONTENT if content else _NAMES)
            )
        except OSError as error:  # gone again, or no more inotify watches
            self._log.warning("a folder is not watched", folder=str(folder), reason=str(error))

    def _unschedule(self, watch: Watch) -> None:
        self._observer.unschedule(self._watches.pop(watch))
