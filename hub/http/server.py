"""HTTP listeners: what makes the protocol of each connection."""

from __future__ import annotations

from hub.accepting.arrival import Make
from hub.config.tables.listeners import Listener
from hub.loading.kernel import Kernel


def factory(kernel: Kernel, listener_name: str, listener: Listener) -> Make:
    """What makes the protocol of each connection to a listener."""
    from hub.http.connection import HttpConnection, uvicorn_config  # loads uvicorn and Starlette

    config = uvicorn_config()
    return lambda arrival=None: HttpConnection(kernel, listener_name, listener.protocol, config, arrival)
