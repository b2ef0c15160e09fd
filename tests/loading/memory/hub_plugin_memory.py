"""Drivers that keep what the loader needs of them (kv and the change log) in memory."""

from collections.abc import Callable, Sequence
from typing import Self

from hub import Clock, LogEntry, Plugin


class _Driver:
    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.is_open = False


class MemoryBlobs(_Driver):
    """Nothing is put into it."""


class MemoryDirectory(_Driver):
    """Nobody is asked for."""


class MemoryKv:
    """Values with their time of expiry."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, float | None]] = {}

    async def get(self, key: str) -> bytes | None:
        value, expires = self._values.get(key, (None, None))
        return None if expires is not None and expires <= self._clock.time() else value

    async def set(self, key: str, value: bytes | None, *, expires: float | None = None) -> None:
        self._values.pop(key, None)
        if value is not None:
            self._values[key] = value, None if expires is None else self._clock.time() + expires

    async def compare_and_set(
        self, key: str, expected: bytes | None, value: bytes | None, *, expires: float | None = None
    ) -> bool:
        if await self.get(key) != expected:
            return False
        await self.set(key, value, expires=expires)
        return True


class MemoryStorage(_Driver):
    """A log that tests write to, and a kv for each plugin."""

    def __init__(self, plugin: Plugin) -> None:
        super().__init__(plugin)
        self.entries: list[LogEntry] = []
        self._kvs: dict[str, MemoryKv] = {}
        self._watchers: list[Callable[[Sequence[LogEntry]], None]] = []

    def kv(self, namespace: str) -> MemoryKv:
        return self._kvs.setdefault(namespace, MemoryKv(self.plugin.clock))

    def commit(self, entry: LogEntry) -> None:
        self.entries.append(entry)
        for watcher in list(self._watchers):
            watcher([entry])

    async def log(self, after: int, limit: int = 1000) -> Sequence[LogEntry]:
        return [entry for entry in self.entries if entry.position > after][:limit]

    def watch(self, callback: Callable[[Sequence[LogEntry]], None]) -> Callable[[], None]:
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)
