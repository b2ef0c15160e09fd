"""Several clamds that share the work, and stand in for each other."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import clamd

from hub_plugin_clamav.scan import ClamdAddress, Conversation, named
from hub_plugin_clamav.verdicts import Verdicts

REST: Final = 5.0
"""Seconds for which a daemon that failed is asked last."""
VERSION_HOLDS: Final = 5.0
"""Seconds for which a version that was read is believed."""

Report = Callable[[ClamdAddress, str | None], None]
"""Told how a daemon does after each time it was asked; None: it answers."""


@dataclass(slots=True)
class Daemon:
    """One clamd. busy: scans under way; version: None if it must be asked for anew."""

    address: ClamdAddress
    busy: int = 0
    rests_until: float = 0.0
    version: str | None = None
    version_until: float = 0.0


@dataclass(slots=True)
class Daemons:
    """Used by several threads at once; whatever it knows is behind one lock."""

    daemons: Sequence[Daemon]
    timeout: float
    connect_timeout: float
    verdicts: Verdicts
    report: Report
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def judge(self, chunks: Callable[[], Iterable[bytes]]) -> str | None:
        """The virus in a message, None if there is none; chunks: reads it from its beginning.

        The daemon with the least to do is asked first, and another one if it has no verdict. Raises
        clamd.BufferTooLongError past StreamMaxLength, and what the last daemon failed with.
        """
        deadline = time.monotonic() + self.timeout
        tried: list[Daemon] = []
        while True:
            with self._next(tried) as daemon:
                left = deadline - time.monotonic()
                last = len(tried) == len(self.daemons)
                try:
                    virus = self._ask(daemon, chunks, left if last else left / 2)
                except clamd.BufferTooLongError:
                    self._answered(daemon)
                    raise
                except (clamd.ClamdError, OSError) as error:
                    self._failed(daemon, error)
                    if last:
                        raise
                else:
                    self._answered(daemon)
                    return virus

    def _ask(self, daemon: Daemon, chunks: Callable[[], Iterable[bytes]], timeout: float) -> str | None:
        began = time.monotonic()
        key = self.verdicts.key(chunks())
        version = self._version(daemon, timeout) if key is not None else ""
        known, virus = self.verdicts.get(version, key)
        if not known:
            left = timeout - (time.monotonic() - began)
            virus = Conversation(daemon.address, left, self.connect_timeout).scan(chunks())
            self.verdicts.put(version, key, virus)
        return virus

    def _version(self, daemon: Daemon, timeout: float) -> str:
        now = time.monotonic()
        if daemon.version is None or now >= daemon.version_until:
            version = Conversation(daemon.address, timeout, self.connect_timeout).version()
            with self._lock:
                daemon.version, daemon.version_until = version, now + VERSION_HOLDS
                self.verdicts.keep_only({each.version for each in self.daemons if each.version})
        return daemon.version or ""

    @contextmanager
    def _next(self, tried: list[Daemon]) -> Iterator[Daemon]:
        """The one to be asked now, which is noted in `tried`."""
        now = time.monotonic()
        with self._lock:
            daemon = min(
                (each for each in self.daemons if each not in tried),
                key=lambda each: (each.rests_until > now, each.busy),
            )
            tried.append(daemon)
            daemon.busy += 1
        try:
            yield daemon
        finally:
            with self._lock:
                daemon.busy -= 1

    def _answered(self, daemon: Daemon) -> None:
        daemon.rests_until = 0.0
        self.report(daemon.address, None)

    def _failed(self, daemon: Daemon, error: Exception) -> None:
        with self._lock:
            daemon.rests_until = time.monotonic() + REST
            daemon.version = None  # it may come back with another database
        self.report(daemon.address, f"{type(error).__name__}: {error}")


def make_daemons(
    addresses: Sequence[ClamdAddress],
    timeout: float,
    connect_timeout: float,
    verdicts: Verdicts,
    report: Report,
) -> Daemons:
    """One for each address."""
    return Daemons([Daemon(address) for address in addresses], timeout, connect_timeout, verdicts, report)


def title(address: ClamdAddress, addresses: Sequence[ClamdAddress]) -> str:
    """What `hub status` calls a daemon."""
    return "clamd" if len(addresses) == 1 else f"clamd {named(address)}"
