"""Folders that are watched, each once, however many reasons there are to watch it."""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Callable, Collection
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

NAMES: Final[tuple[type[FileSystemEvent], ...]] = (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
)
# Not FileOpenedEvent and FileClosedNoWriteEvent: those are our own reads.
CLOSED: Final = (*NAMES, FileClosedEvent)
WRITTEN: Final = (*CLOSED, FileModifiedEvent, FileAttribEvent)


class Interest(enum.IntEnum):
    """What is of interest in a folder, each with all before it."""

    NAMES = 0
    """What comes, goes and is renamed."""
    CLOSED = 1
    """A file that was written is closed; of a database beside it nothing is heard."""
    WRITTEN = 2
    """Each write, and each change of a mode."""


Seen: TypeAlias = Callable[[FileSystemEvent, list[Path]], None]
"""Told on the event loop of every event, with its paths."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What is to be watched, with all folders in it or alone."""

    path: Path
    deep: bool = False
    interest: Interest = Interest.NAMES

    def covers(self, other: Folder) -> bool:
        """Whether who watches this one is told what is of interest in the other one, too."""
        within = other.path == self.path or (self.deep and other.path.is_relative_to(self.path))
        return within and self.interest > other.interest and self.deep >= other.deep


class Folders(FileSystemEventHandler):
    """Watches each folder once: of two watches on one, inotify gives both what the later one asked for."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._loop = asyncio.get_running_loop()
        self._observer = Observer()
        self._watches: dict[Folder, ObservedWatch] = {}
        self._log = get_logger(area="loading")
        self._observer.start()

    def watch(self, folders: Collection[Folder]) -> None:
        """Watch these from now on, and no others."""
        needed = {folder for folder in folders if not any(each.covers(folder) for each in folders)}
        for folder in self._watches.keys() - needed:
            self._observer.unschedule(self._watches.pop(folder))
        for folder in needed - self._watches.keys():
            self._schedule(folder)

    def forget(self, path: Path) -> None:
        """The folder is another one now: a watch on it is dead, until the next `watch`."""
        for folder in [folder for folder in self._watches if folder.path == path]:
            self._observer.unschedule(self._watches.pop(folder))

    async def close(self) -> None:
        """End the watching."""
        self._observer.stop()
        await asyncio.to_thread(self._observer.join)

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called in watchdog's thread."""
        paths = [Path(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path]
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._seen, event, paths)

    def _schedule(self, folder: Folder) -> None:
        try:
            self._watches[folder] = self._observer.schedule(
                self,
                str(folder.path),
                recursive=folder.deep,
                event_filter=list((NAMES, CLOSED, WRITTEN)[folder.interest]),
            )
        except OSError as error:  # gone again, or no more inotify watches
            self._log.warning("a folder is not watched", folder=str(folder.path), reason=str(error))
