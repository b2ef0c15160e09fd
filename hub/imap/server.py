"""An IMAP listener: makes a connection for each client and knows those that are open."""

from __future__ import annotations

from hub.config.model import Listener
from hub.imap.connection import Connection
from hub.imap.session import ImapSession
from hub.imap.wakeups import Wakeups
from hub.loading.kernel import Kernel


class ImapListener:
    """Called by the event loop for each client that connects. `connections` are those that are open."""

    def __init__(self, kernel: Kernel, name: str, settings: Listener) -> None:
        self._kernel = kernel
        self._name = name
        self._settings = settings
        self._wakeups = Wakeups(kernel.services.storage)
        self.connections: set[Connection] = set()

    def __call__(self) -> Connection:
        session = ImapSession(self._kernel, self._name, self._settings.protocol, self._wakeups)
        session.starttls_offered = self._settings.tls == "starttls"
        return Connection(session, self.connections)

    def drain(self) -> None:
        """Say BYE to every client, each after the command that it has under way."""
        for connection in tuple(self.connections):
            connection.drain()


def factory(kernel: Kernel, listener_name: str, listener_settings: Listener) -> ImapListener:
    """What `loop.create_server` takes; for `imaps` with the TLS context as `ssl`."""
    return ImapListener(kernel, listener_name, listener_settings)
