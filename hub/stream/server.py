"""A listener whose protocol a plugin speaks: what the event loop calls for each client that connects."""

from __future__ import annotations

import asyncio
from functools import partial

from hub.accepting.arrival import Arrival, Make
from hub.config.tables.listeners import Listener
from hub.loading.kernel import Kernel
from hub.stream.connection import Connection
from hub.stream.session import StreamSession


class _Unserved(asyncio.Protocol):
    """A connection that came between a listener and its plugin."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nobody is here yet."""
        transport.close()


def factory(kernel: Kernel, listener_name: str, listener: Listener) -> Make:
    """What makes the protocol of each connection to a listener."""
    return partial(_make, kernel, listener_name, listener)


def _make(
    kernel: Kernel, name: str, listener: Listener, arrival: Arrival | None = None
) -> asyncio.BaseProtocol:
    """By the plugin that serves now: who connects after a reload has the new code."""
    speaker = kernel.generations.current.speakers.get(listener.base)
    if speaker is None:
        return _Unserved()
    return Connection(StreamSession(kernel, name, listener), listener.base, speaker, arrival)
