"""Counts that outlive the worker that counts: a file for each, which its successor goes on with.

    0.lock 0.json    the first worker's
    1.lock 1.json    the second's; when it has died, whoever starts next finds the lock free and goes on

A sum over all files never falls, so that a worker that is replaced looks like no counter that was reset.
"""

import fcntl
import json
import os
from collections.abc import Collection
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from hub_plugin_prometheus.counts import Counts, Plain, merged


class Slot:
    """The first file that nobody has, from entering to leaving. counts: go on from what is in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: IO[bytes] | None = None
        self.number = -1
        self.counts = Counts()

    def __enter__(self) -> Self:
        for number in count():
            lock = (self._folder / f"{number}.lock").open("ab")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._lock, self.number = lock, number
            break
        self.counts = merged([_read(self._path)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._lock is not None
        try:
            self.write(self.counts.plain())
        finally:
            self._lock.close()

    @property
    def _path(self) -> Path:
        return self._folder / f"{self.number}.json"

    def write(self, plain: Plain) -> None:
        """Write down what was counted; blocks for a moment. OSError.

        It is not synced: what a power failure takes away looks like a reset, as Prometheus expects one.
        """
        unfinished = self._path.with_suffix(".new")
        unfinished.write_text(json.dumps(plain))
        os.replace(unfinished, self._path)

    def others(self, answered: Collection[int]) -> list[Plain]:
        """What the files of those say who have not answered; blocks for a moment."""
        names = {f"{number}.json" for number in answered}
        return [_read(path) for path in self._folder.glob("*.json") if path.name not in names]


def _read(path: Path) -> Plain:
    """Nothing if there is nothing that can be read."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text())
        if isinstance(found, dict):
            return cast(Plain, found)
    return {}
