"""An IMAP listener: what the event loop calls for each client that connects."""

from __future__ import annotations

from hub.accepting.arrival import Arrival
from hub.config.tables.listeners import Listener
from hub.imap.connection import Connection
from hub.imap.session import ImapSession
from hub.imap.wakeups import Wakeups
from hub.loading.kernel import Kernel


class ImapListener:
    """One listener's settings, and the one watch on the change log that its sessions share."""

    def __init__(self, kernel: Kernel, name: str, settings: Listener) -> None:
        self._kernel = kernel
        self._name = name
        self._settings = settings
        self._wakeups = Wakeups(kernel.services.storage)

    def __call__(self, arrival: Arrival | None = None) -> Connection:
        session = ImapSession(self._kernel, self._name, self._settings.protocol, self._wakeups)
        session.settings = self._settings
        session.starttls_offered = self._settings.tls == "starttls" and self._kernel.tls.ready
        return Connection(session, arrival)


def factory(kernel: Kernel, listener_name: str, listener_settings: Listener) -> ImapListener:
    """What makes the protocol of each connection to a listener."""
    return ImapListener(kernel, listener_name, listener_settings)
