"""What every plugin that exports spans needs: a bounded queue, batches, patience with a peer that is away."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from email.utils import parsedate_to_datetime
from itertools import islice
from types import TracebackType
from typing import Final

from hub.hooks.plugin import Plugin
from hub.hooks.span import Span

BOUND: Final = 20_000
"""Spans that wait; more are lost and counted."""
BATCH: Final = 256
PAUSE: Final = 1.0
"""Seconds between two looks at the queue."""
LONGEST_PAUSE: Final = 60.0
LONGEST_WISH: Final = 300.0
"""Seconds after which a peer is tried again: by our own growing pause, and by its Retry-After."""
FAREWELL: Final = 5.0
"""Seconds for what is left in the queue when the plugin ends."""
QUIET: Final = 60.0
"""Seconds between two lines about lost spans."""
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class NotSent(Exception):
    """Spans were not taken. again: they may be later. after: the seconds that the peer has asked for."""

    def __init__(self, reason: str, *, again: bool = True, after: float | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.after = after

    @classmethod
    def answered(cls, status: int, retry_after: str | None = None) -> NotSent:
        """What an HTTP status other than 2xx means, with its Retry-After (RFC 9110 §10.2.3)."""
        return cls(f"it answered {status}", again=status in _AGAIN, after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Seconds, or a date in their place."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None


class SpanSender:
    """Sends spans in the background, and says by `plugin.dependency` how the peer does.

    Enter it with the plugin's scope: `await plugin.enter(SpanSender(plugin, "collector", send))`.
    """

    def __init__(self, plugin: Plugin, peer: str, send: Callable[[Sequence[Span]], Awaitable[None]]) -> None:
        """send: delivers one batch, of at most 256, within a time of its own. It raises NotSent; any other
        exception loses the batch.
        """
        self._plugin = plugin
        self._peer = peer
        self._send = send
        self._waiting: deque[Span] = deque()
        self._failures = 0
        self._not_before = self._quiet_until = 0.0
        self._lost = 0

    async def __aenter__(self) -> SpanSender:
        self._plugin.every(PAUSE, self.flush)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what is left, if the peer is there and quick."""
        try:
            async with asyncio.timeout(FAREWELL):
                if not self._failures:
                    await self._send_all()
        except TimeoutError:
            self._lose(0, f"no answer within {FAREWELL:g} s")
        if self._waiting or self._lost:
            self._quiet_until = 0.0
            self._lose(len(self._waiting), "the plugin ended")
            self._waiting.clear()

    def put(self, spans: Iterable[Span]) -> None:
        """Queue spans; never blocks."""
        for span in spans:
            if len(self._waiting) < BOUND:
                self._waiting.append(span)
            else:
                self._lose(1, "the queue is full")

    async def flush(self) -> None:
        """Send all that is queued, unless the peer is to be left alone for a while."""
        if self._plugin.clock.monotonic() >= self._not_before:
            await self._send_all()

    async def _send_all(self) -> None:
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await self._send(batch)
            except NotSent as error:
                self._fail(error, len(batch))
                return
            except Exception as error:
                self._fail(NotSent(f"{type(error).__name__}: {error}", again=False), len(batch))
                return
            self._forget(len(batch))
            self._failures = 0
            self._plugin.dependency(self._peer)

    def _fail(self, error: NotSent, count: int) -> None:
        reason = str(error)
        if not error.again:
            self._forget(count)
            self._lose(count, reason)
        self._failures += 1
        pause = (
            min(PAUSE * 2 ** min(self._failures, 10), LONGEST_PAUSE) if error.after is None else error.after
        )
        self._not_before = self._plugin.clock.monotonic() + min(max(pause, 0.0), LONGEST_WISH)
        self._plugin.dependency(self._peer, reason)

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._waiting.popleft()

    def _lose(self, count: int, reason: str) -> None:
        """Count, and say so once in a while."""
        self._lost += count
        now = self._plugin.clock.monotonic()
        if self._lost and now >= self._quiet_until:
            self._plugin.log.warning("spans were lost", count=self._lost, peer=self._peer, reason=reason)
            self._lost, self._quiet_until = 0, now + QUIET
