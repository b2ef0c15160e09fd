"""TLS for every listener: what `kernel.tls` is, from the start of a process to its end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from hub.config.tables.listeners import Listener
from hub.config.tables.tls import TlsTable
from hub.tls.authorities import asking_context
from hub.tls.certificates import Certificates, Manner, certified, with_installed
from hub.tls.chain import faults, key_kind, names, read
from hub.tls.context import set_minimum
from hub.tls.explain import Ours
from hub.tls.failures import Failures
from hub.tls.handshake import ATTEMPT, Attempt, Begin, Chosen, HelloContext, NoProtocol, begin_plain
from hub.tls.hello import Hello
from hub.tls.installed import folder_of, install, read_installed, remove
from hub.tls.naming import TLS_1_2, TLS_1_3, number
from hub.tls.pair import Pair, PairError
from hub.tls.stapler import Stapler
from hub.tls.tickets import Tickets

if TYPE_CHECKING:
    from OpenSSL import SSL

ACME: Final = "acme-tls/1"
"""Whoever offers it is an authority that looks for its own challenge (RFC 8737 §3), and nothing else."""
FORGETTING: Final = 60.0
"""Seconds between two looks at which keys of tickets are those of a day that is over."""
_PROTOCOLS: Final = {"http": "http/1.1", "submission": "smtp", "lmtp": "smtp"}
"""What IANA has registered where it is not the protocol's name; for SMTP there is nothing, and clients that
offer something call it that."""


class Engine:
    """Shakes hands with clients. data: the data folder. settings: how long, and with how many at once."""

    def __init__(self, data: Path, tickets: Tickets, settings: TlsTable | None = None) -> None:
        self.certificates = Certificates()
        self.settings = settings or TlsTable()
        self._data = data
        self._tickets = tickets
        self._serving = self.certificates
        self._contexts: dict[Manner, HelloContext] = {}
        self._stapled: dict[tuple[bytes, Manner], tuple[bytes, SSL.Context]] = {}
        self._stapler = Stapler(data)
        self._asking: dict[Manner, ssl.SSLContext] = {}
        self._under_way: dict[asyncio.Timeout, None] = {}
        self._taken: dict[bytes, float] = {}  # when what is served took another's place, by digest
        self._certifying = asyncio.Lock()
        self._forgetting: asyncio.TimerHandle | None = None
        self.failures = Failures()

    def start(self) -> None:
        """From now on look after what is stapled, and forget the keys of days that are over."""
        self._stapler.start()
        self._forget()

    async def close(self) -> None:
        """Look after nothing any more."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        await self._stapler.close()

    def _forget(self) -> None:
        self._tickets.forget()
        self._forgetting = asyncio.get_running_loop().call_later(FORGETTING, self._forget)

    @property
    def ready(self) -> bool:
        """Whether there is a certificate, so that TLS can be offered."""
        return bool(self.certificates.pairs)

    def is_stapled(self, pair: Pair) -> bool:
        """Whether there is a response that goes with the certificate."""
        return self._stapler.response(pair) is not None

    def take(self, certificates: Certificates) -> None:
        """Serve these from now on. Connections keep what they have, and tickets hold."""
        self.certificates = certificates
        self._stapler.take(certificates)
        for made in (self._contexts, self._stapled, self._asking):
            made.clear()
        if self._serving.pairs:
            known = {pair.digest for pair in self._serving.pairs}
            fresh = {pair.digest for pair in certificates.pairs} - known
            self._taken.update(dict.fromkeys(fresh, self._tickets.now()))
        if certificates.pairs:  # who was offered STARTTLS before they were taken away may still begin it
            self._serving = certificates

    async def certify(self, name: str, pair: tuple[bytes, bytes] | None, alpn: str | None, /) -> None:
        """Keep a certificate and its key under a name, or remove it. ValueError, OSError."""
        async with self._certifying:
            if pair is None:
                await asyncio.to_thread(remove, self._data, name, alpn)
            else:
                await asyncio.to_thread(install, self._data, name, *pair, alpn)
            now = self.certificates
            fresh = await asyncio.to_thread(
                with_installed, now.configured, now.minimum, self._data, now, now.authorities
            )
            if fresh is not now:
                self.take(fresh)
                await asyncio.to_thread(fresh.tell)

    def context(self, listener: Listener) -> ssl.SSLContext:
        """For the event loop: it stays the same, whatever certificates come and go."""
        manner = self._manner(listener)
        if manner not in self._contexts:
            self._contexts[manner] = HelloContext(partial(self._choose, manner))
        return self._contexts[manner]

    async def accept(
        self, client: socket.socket, make: Callable[[], asyncio.BaseProtocol], listener: Listener
    ) -> None:
        """Shake hands before anything else. OSError."""
        ATTEMPT.set(Attempt(client.fileno()))
        async with self._deadline():
            await asyncio.get_running_loop().connect_accepted_socket(
                make,
                client,
                ssl=self.context(listener),
                ssl_handshake_timeout=self.settings.handshake_timeout,
            )

    async def upgrade(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, listener: Listener
    ) -> asyncio.Transport:
        """Shake hands on a connection that began in the clear. OSError."""
        ATTEMPT.set(Attempt(cast(socket.socket, transport.get_extra_info("socket")).fileno()))
        async with self._deadline():
            upgraded = await asyncio.get_running_loop().start_tls(
                transport,
                protocol,
                self.context(listener),
                server_side=True,
                ssl_handshake_timeout=self.settings.handshake_timeout,
            )
        if upgraded is None:
            raise ConnectionResetError("the client has left during the TLS handshake")
        return upgraded

    def failed(
        self, error: OSError, listener: Listener, *, name: str, peer: tuple[str, int], session: str = ""
    ) -> str:
        """Why the handshake that this task has begun failed; it is noted for `hub tls explain`."""
        attempt = ATTEMPT.get()
        octets = attempt.hello if attempt is not None else b""
        ours = partial(self._ours, self._manner(listener))
        return self.failures.note(octets, error, ours, peer=peer, listener=name, session=session)

    def _ours(self, manner: Manner, hello: Hello) -> Ours:
        """What we allow whoever asks like that."""
        certificates = self._serving
        if not certificates.pairs:
            return Ours()
        pair = certificates.choose(_asked(hello), hello)
        context = certificates.context(pair, manner)
        leaf = read(pair.chain)[0]
        return Ours(
            (TLS_1_3,) if certificates.minimum == "1.3" else (TLS_1_3, TLS_1_2),
            tuple(number(each) for each in context.get_ciphers()),
            manner.alpn,
            names(leaf),
            key_kind(leaf),
            faults(pair.chain, pair.key, time.time()),
        )

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """One more handshake under way; if that is one too many, the oldest one's time is over."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.settings.handshake_timeout) as own:
            self._under_way[own] = None
            if len(self._under_way) > self.settings.max_handshakes:
                oldest = next(iter(self._under_way))
                del self._under_way[oldest]
                if not oldest.expired():
                    oldest.reschedule(loop.time())
            try:
                yield
            finally:
                self._under_way.pop(own, None)

    def _manner(self, listener: Listener) -> Manner:
        authorities = self.certificates.authorities.get(str(listener.client_ca), b"")
        return Manner((_PROTOCOLS.get(listener.base, listener.base),), authorities)

    def _choose(self, manner: Manner, hello: Hello) -> Chosen:
        certificates, base = self._serving, self._base(manner)
        name = _asked(hello)
        if ACME in hello.protocols:
            return Chosen(partial(begin_plain, base, self._challenge(name)))
        if hello.protocols and not set(hello.protocols) & set(manner.alpn):
            raise NoProtocol(f"it offers {', '.join(hello.protocols)} and not {', '.join(manner.alpn)}")
        if not certificates.pairs:
            raise ssl.SSLError("there is no certificate yet")
        pair = certificates.choose(name, hello)
        if (
            hello.wants_status
            and not manner.client_ca
            and (response := self._stapler.response(pair)) is not None
        ):
            begin = self._begin_stapled(pair, manner, response.der)
        else:
            begin = partial(begin_plain, base, certificates.context(pair, manner))
        return Chosen(begin, pair.end_point, self._is_settled(pair))

    def _is_settled(self, pair: Pair) -> bool:
        """Whether it was served already when the oldest session began that is resumed still.

        The file's age tells a worker that was not there yet when it was replaced.
        """
        return max(pair.changed, self._taken.get(pair.digest, 0.0)) < self._tickets.oldest

    def _base(self, manner: Manner) -> ssl.SSLContext:
        """What a connection begins with.

        Clients that are asked for a certificate have a context of their own, by the authorities that are
        trusted: a ticket carries the certificate, and must not resume where it would not have been taken.
        """
        if manner.client_ca:
            if manner not in self._asking:
                self._asking[manner] = asking_context(manner.client_ca)
            base = self._asking[manner]
        else:
            base = self._tickets.plain.get()
        set_minimum(base, self._serving.minimum)
        return base

    def _challenge(self, name: str | None) -> ssl.SSLContext:
        """Looked for when it is asked for, so that it is there in every worker once it is on the disk."""
        try:
            pair = read_installed(folder_of(self._data, name or "", ACME))
        except (PairError, ValueError):
            raise NoProtocol(f"there is no challenge for {name}") from None
        return certified(pair, Manner(alpn=(ACME,)), "1.2")

    def _begin_stapled(self, pair: Pair, manner: Manner, response: bytes) -> Begin:
        from hub.tls.stapled import Stapled, stapled_context  # a second OpenSSL, for who needs it

        key = pair.digest, manner
        if key not in self._stapled or self._stapled[key][0] != response:
            self._stapled[key] = response, stapled_context(pair, manner, response)
        made = self._stapled[key][1], self._serving.minimum
        return cast(Begin, partial(Stapled, self._tickets.stapled.get(), *made))


def _asked(hello: Hello) -> str | None:
    """The name that a client asks for, as certificates have it."""
    return hello.server_name and hello.server_name.lower().rstrip(".")
