"""A handshake that begins with what the client asks for, and only then with a certificate.

The event loop takes an `ssl.SSLContext` and drives what its `wrap_bio` gives, with two buffers between them:

    socket ──► incoming ──► Handshake: read the hello ──► choose ──► OpenSSL's own object, on the same buffers

Once the certificate is chosen, the hello is put back and OpenSSL goes on by itself: what is sent and received
afterwards is as fast as it is without us.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from hub.tls.hello import CutOff, Hello, NotHello, read_hello

NO_PROTOCOL: Final = b"\x15\x03\x03\x00\x02\x02\x78"
"""A fatal alert no_application_protocol (RFC 7301 §3.2), as a record."""


_NOTHING: Final = Hello((), ())


class NoProtocol(ssl.SSLError):
    """The client speaks none of the listener's protocols; in its hello it says which ones it does."""


@dataclass(slots=True)
class Attempt:
    """One handshake, for who explains why it failed. hello: what the client sent first, until it succeeds."""

    descriptor: int
    hello: bytes = b""

    def farewell(self, alert: bytes) -> None:
        """Send an alert past the event loop, which drops what is not sent when a handshake fails."""
        if not alert:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self.descriptor)) as client:
            client.send(alert, socket.MSG_DONTWAIT)


ATTEMPT: Final[ContextVar[Attempt | None]] = ContextVar("attempt", default=None)
"""The handshake that the current task has begun; the event loop tells `wrap_bio` nothing about it."""

Begin: TypeAlias = Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject]
"""Makes what goes on with the handshake, over the two buffers."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a client gets. end_point: of the certificate, as `Pair` has it. settled: no session that can be
    resumed has begun with another one."""

    begin: Begin
    end_point: bytes = b""
    settled: bool = False


Choose: TypeAlias = Callable[[Hello], Chosen]
"""What a client gets that asks for this. NoProtocol."""


def begin_plain(
    begun: ssl.SSLContext, certified: ssl.SSLContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
) -> ssl.SSLObject:
    """Python's own object: begun with one context, and going on with the one that has the certificate.

    From the first it keeps the key for tickets and how clients are verified.
    """
    made = begun.wrap_bio(incoming, outgoing, server_side=True)
    made.context = certified
    return made


class HelloContext(ssl.SSLContext):
    """What is handed to the event loop; it has no certificate itself."""

    _choose: Choose

    def __new__(cls, choose: Choose) -> HelloContext:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._choose = choose
        return self

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """The server's side of one connection."""
        return cast(ssl.SSLObject, Handshake(self._choose, incoming, outgoing))


@dataclass(slots=True, eq=False)
class Handshake:
    """Stands for an `ssl.SSLObject` that does not exist until the hello is there."""

    _choose: Choose
    _incoming: ssl.MemoryBIO
    _outgoing: ssl.MemoryBIO
    _hello: bytes = b""
    _enough: int = 0
    _attempt: Attempt | None = field(default_factory=ATTEMPT.get)
    _object: ssl.SSLObject | None = None
    _end_point: bytes = b""
    _settled: bool = False
    sni: str | None = None

    def do_handshake(self) -> None:
        """Go on. ssl.SSLWantReadError until more has come; ssl.SSLError, after which the client knows too."""
        try:
            if self._object is None:
                self._object = self._begin()
            self._object.do_handshake()
            if self._attempt is not None:
                self._attempt.hello = b""  # nobody will ask, and the connection may stay for days
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError:
            if self._attempt is not None:
                self._attempt.farewell(self._outgoing.read())
            raise

    def _begin(self) -> ssl.SSLObject:
        self._hello += self._incoming.read()
        if self._attempt is not None:
            self._attempt.hello = self._hello
        if len(self._hello) < self._enough and not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the hello is not whole")
        try:
            hello = read_hello(self._hello)
        except CutOff as cut:
            if not self._incoming.eof:
                # Who sends one octet at a time does not have all of them read again with each.
                self._enough = len(self._hello) + cut.missing
                raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the hello is not whole") from None
            hello = _NOTHING
        except NotHello:
            hello = _NOTHING  # OpenSSL says what is wrong with it
        self.sni = hello.server_name
        try:
            chosen = self._choose(hello)
        except NoProtocol:
            self._outgoing.write(NO_PROTOCOL)
            raise
        self._incoming.write(self._hello)
        self._hello = b""
        self._end_point, self._settled = chosen.end_point, chosen.settled
        return chosen.begin(self._incoming, self._outgoing)

    def bindings(self) -> dict[str, bytes]:
        """Channel bindings of this connection by name, once the handshake is over.

        A session that is resumed shows no certificate: the client knows the one of when it began.
        """
        found = {}
        if self._end_point and (self._settled or not self._made.session_reused):
            found["tls-server-end-point"] = self._end_point
        export = getattr(self._made, "exporter", None)  # Python's own object has none
        if export is not None and self._made.version() == "TLSv1.3":
            found["tls-exporter"] = export()
        return found

    # What the event loop takes hold of before there is an object.

    def read(self, size: int = 1024, buffer: bytearray | None = None) -> int | bytes:
        """What was received, decrypted."""
        return self._made.read(size) if buffer is None else self._made.read(size, buffer)

    def write(self, data: bytes) -> int:
        """Encrypt."""
        return self._made.write(data)

    def pending(self) -> int:
        """Octets that are decrypted already."""
        return self._made.pending()

    def unwrap(self) -> None:
        """Say goodbye."""
        self._made.unwrap()

    def __getattr__(self, name: str) -> object:
        return getattr(self._made, name)

    @property
    def _made(self) -> ssl.SSLObject:
        if self._object is None:
            raise ssl.SSLError("the handshake has not begun")
        return self._object
