"""Noticing that somebody has saved a file, within a blink and without looking all the time."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchdog.events import FileAttribEvent, FileCreatedEvent, FileModifiedEvent, FileSystemEvent

from hub.config.tables.hub import HubTable
from hub.loading.folders import NAMES, Folder, Folders, Interest
from hub.loading.sources import Kind, Source
from hub.log import get_logger

QUIET: Final = 0.05
"""Seconds after the last event of a burst until we look."""

LATEST: Final = 0.25
"""Seconds after the first event of a burst, however long it lasts."""

WRITING: Final = 2.0
"""Seconds that we wait for somebody who has begun to write a file to close it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file to watch, or a folder, with all folders in it or alone."""

    path: Path
    deep: bool = True


def places(settings: HubTable, sources: Iterable[Source]) -> Iterator[Place]:
    """The folders of plugins, made if they belong into the data folder, and where those lie that serve."""
    for folder in settings.plugin_dirs:
        if folder.is_relative_to(settings.data_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield Place(folder.absolute())
    for source in sources:
        if source.kind is Kind.FILE and not source.watched:
            yield Place(source.location.absolute())
        if source.kind is Kind.TREE and not source.watched:
            yield Place(source.location.absolute(), deep=False)
            package = (source.base / source.top).absolute()
            yield Place(package) if package.is_dir() else Place(package.parent, deep=False)


class Watcher:
    """Calls `changed` on the event loop, one call at a time, after something was written in a watched place.

    A place need not be there yet, and may go and come back: the folder above it is watched for that. Where
    symbolic links lead to it, each of them and what they point to are watched. Reading a file is no event,
    and a file that is being written is looked at when it is closed.
    """

    def __init__(self, changed: Callable[[], Awaitable[object]]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._folders = Folders(self._seen)
        self._places: dict[Place, tuple[Path, ...]] = {}
        self._writing: dict[Path, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._first = 0.0
        self._due = asyncio.Event()
        self._log = get_logger(area="loading")
        self._task = self._loop.create_task(self._serve())

    def watch(self, places: Iterable[Place]) -> None:
        """Watch these places from now on, and no others."""
        self._places = dict.fromkeys(places, ())
        self._sync()

    async def close(self) -> None:
        """End the watching; a call of `changed` under way is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        self._task.cancel()
        await self._folders.close()
        await asyncio.wait((self._task,))

    def _seen(self, event: FileSystemEvent, paths: list[Path]) -> None:
        exchanged = False
        for trail in self._places.values():
            if isinstance(event, NAMES) and any(
                link.is_relative_to(path) for link in trail for path in paths
            ):
                # The place itself, or a link or folder on the way to it, has come, gone or been exchanged:
                # a watch on it is dead.
                self._folders.forget(trail[-1])
                exchanged = True
            elif not any(
                path.is_relative_to(trail[-1]) and "__pycache__" not in path.parts for path in paths
            ):
                continue
            self._note(event, paths)
            self._touch()
        if exchanged:
            self._sync()

    def _note(self, event: FileSystemEvent, paths: list[Path]) -> None:
        """Keep in mind which files are being written."""
        is_new = isinstance(event, FileCreatedEvent) and not event.is_synthetic and _is_new(paths[0])
        if is_new or isinstance(event, FileModifiedEvent):
            self._writing.setdefault(paths[0], self._loop.time())
        elif not isinstance(event, FileAttribEvent):
            self._writing.pop(paths[0], None)

    def _touch(self) -> None:
        """Wait until it is quiet, but not for long."""
        now = self._loop.time()
        if self._timer is None:
            self._first = now
        else:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(now + QUIET, self._first + LATEST), self._fire)

    def _fire(self) -> None:
        now = self._loop.time()
        awaited = any(now - since < WRITING for since in self._writing.values())
        if awaited and now < self._first + LATEST + WRITING:
            self._timer = self._loop.call_later(QUIET, self._fire)
            return
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
        self._places = {place: _trail(place.path) for place in self._places}
        wanted: set[Folder] = set()
        for place, trail in self._places.items():
            for link in trail:
                wanted.add(Folder(next(parent for parent in link.parents if parent.is_dir())))
            real = trail[-1]
            if real.is_dir():
                wanted.add(Folder(real, place.deep, Interest.WRITTEN))
            elif real.exists():
                wanted.add(Folder(real.parent, interest=Interest.CLOSED))
        self._folders.watch(wanted)


def _trail(path: Path) -> tuple[Path, ...]:
    """The path, every symbolic link on the way to what it means, and that."""
    found = [path]
    for _ in range(40):  # as many as Linux follows
        link = next((each for each in (*reversed(found[-1].parents), found[-1]) if each.is_symlink()), None)
        if link is None:
            break
        if link != found[-1]:
            found.insert(-1, link)
        found.append(link.parent / link.readlink() / found[-1].relative_to(link))
    found.append(Path(os.path.abspath(found[-1])))
    return tuple(dict.fromkeys(found))


def _is_new(file: Path) -> bool:
    """Whether it was just opened by who will write it: not a symbolic or hard link."""
    try:
        status = file.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
