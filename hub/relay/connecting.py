"""Connections to other servers: how one is made."""

from __future__ import annotations

import ssl

from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.relay.client import Client, Hop, NoTls

_log = get_logger(area="relay")


class Connecting:
    """Makes connections for one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._tls = _unverified()

    async def connect(self, hop: Hop) -> Client:
        """A greeted connection. Broken."""
        settings = self._kernel.settings.relay
        tls = self._tls if settings.tls == "opportunistic" else None
        hello, patience = self._kernel.settings.hub.hostname, settings.connect_timeout
        try:
            return await Client.connect(hop, hello, tls, patience=patience)
        except NoTls as error:  # what is only sent encrypted if that works is sent (RFC 7435 §3)
            _log.info("mail goes in the clear", host=hop.host, reason=str(error))
            return await Client.connect(hop, hello, None, patience=patience)


def _unverified() -> ssl.SSLContext:
    """Whoever would be sent mail in the clear may as well show any certificate (RFC 7435)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
