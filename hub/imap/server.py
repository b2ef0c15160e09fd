"""An IMAP listener: what the event loop calls for each client that connects."""

from __future__ import annotations

from hub.accepting.arrival import Arrival
from hub.config.tables.listeners import Listener
from hub.imap.connection import Connection
from hub.imap.mirror import Mirrors
from hub.imap.session import ImapSession
from hub.loading.kernel import Kernel


class ImapListener:
    """One listener's settings, and what its sessions share with those of every other listener for IMAP."""

    def __init__(self, kernel: Kernel, name: str, settings: Listener) -> None:
        self._kernel = kernel
        self._name = name
        self._settings = settings
        self._mirrors = _mirrors(kernel)

    def __call__(self, arrival: Arrival | None = None) -> Connection:
        session = ImapSession(self._kernel, self._name, self._settings.protocol, self._mirrors)
        session.settings = self._settings
        session.starttls_offered = self._settings.tls == "starttls" and self._kernel.tls.ready
        return Connection(session, arrival)


def _mirrors(kernel: Kernel) -> Mirrors:
    found = kernel.shared.setdefault("imap", Mirrors(kernel))
    assert isinstance(found, Mirrors)
    return found


def factory(kernel: Kernel, listener_name: str, listener_settings: Listener) -> ImapListener:
    """What makes the protocol of each connection to a listener."""
    return ImapListener(kernel, listener_name, listener_settings)
