"""How a connection to another server is made: as secure as it has to be, or as it can be."""

from __future__ import annotations

import ssl
from functools import partial
from pathlib import Path

from hub.hooks.relay import tls_negotiated
from hub.loading.kernel import Kernel
from hub.log import get_logger
from hub.mail.tls import TlsFault, TlsOutcome
from hub.relay.client import Client
from hub.relay.hops import Hop
from hub.relay.security import demanded, of_smarthost, opportunistic
from hub.relay.sources import Source
from hub.relay.trust import Trusts
from hub.relay.wire import NOT_OFFERED, NoTls, Tls

_log = get_logger(area="relay")


class Connecting:
    """Makes connections for one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._trusts = Trusts()

    async def connect(self, hop: Hop, source: Source, domain: str) -> Client:
        """A greeted connection, for that domain's mail. Broken, NoTls."""
        policy = hop.policy
        if hop.access is not None and policy is None:
            return await self._open(
                hop, source, of_smarthost(hop.access, partial(self._trust, hop, hop.access.trust))
            )
        if policy is not None:
            try:
                trust = partial(self._trust, hop, self._kernel.settings.relay.trust)
                demand = demanded(hop, policy, trust)
                client = await self._open(hop, source, demand)
            except NoTls as error:
                self._tell(domain, hop, None, error.fault)
                if policy.enforced:
                    raise
                _log.info("mail goes though its TLS policy fails", host=hop.host, reason=str(error))
            else:
                self._tell(domain, hop, client, None)
                return client
        client, fault = await self._best(hop, source)
        if policy is None:
            self._tell(domain, hop, client, fault)
        return client

    async def _best(self, hop: Hop, source: Source) -> tuple[Client, TlsFault | None]:
        """Encrypted if that works, and else in the clear (RFC 7435 §3)."""
        if self._kernel.settings.relay.tls == "off":
            return await self._open(hop, source, None), None
        try:
            client = await self._open(hop, source, opportunistic())
        except NoTls as error:
            _log.info("mail goes in the clear", host=hop.host, reason=str(error))
            return await self._open(hop, source, None), error.fault
        if client.is_encrypted:
            return client, None
        return client, TlsFault(NOT_OFFERED, "it does not offer STARTTLS")

    def _trust(self, hop: Hop, path: Path | None) -> ssl.SSLContext:
        try:
            return self._trusts.of(path)
        except OSError as error:
            text = f"the certificates to trust in {path} cannot be read: {error}"
            raise NoTls(hop, TlsFault("validation-failure", text)) from error

    async def _open(self, hop: Hop, source: Source, tls: Tls | None) -> Client:
        patience = self._kernel.settings.relay.connect_timeout
        return await Client.connect(hop, source.hello, tls, patience=patience, source=source.address)

    def _tell(self, domain: str, hop: Hop, client: Client | None, fault: TlsFault | None) -> None:
        pin = self._kernel.generations.pin()
        try:
            tell = pin.notify(tls_negotiated)
            if tell:
                source = client.source if client is not None else ""
                tell(outcome=TlsOutcome(domain, hop.policy, hop.host, hop.address, source, fault))
        finally:
            pin.release()
