"""A connection whose certificate comes with a stapled OCSP response (RFC 6066 §8).

Python's ssl cannot do that. pyOpenSSL can, and is driven here as the event loop drives an `ssl.SSLObject`.
It is slower (docs/operating.md): only clients that ask for a response get one, and while there is one.
"""

from __future__ import annotations

import ssl
from typing import Final, NoReturn, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL

from hub.tls.certificates import Manner
from hub.tls.context import CIPHERS
from hub.tls.pair import Pair

SESSION_ID: Final = b"hub"
_HEADER: Final = 5


def base_context() -> SSL.Context:
    """What a connection begins with: it has no certificate, but the key of its tickets."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS.encode("ascii"))
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE | SSL.OP_NO_COMPRESSION)
    context.set_session_id(SESSION_ID)
    return context


def stapled_context(pair: Pair, manner: Manner, response: bytes) -> SSL.Context:
    """A context that shows a certificate and staples a response to it."""
    context = base_context()
    first, *others = x509.load_pem_x509_certificates(pair.chain)
    context.use_certificate(first)
    for each in others:
        context.add_extra_chain_cert(each)
    context.use_privatekey(load_pem_private_key(pair.key, None))  # type: ignore[arg-type]

    def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes | SSL._NoOverlappingProtocols:
        spoken = (each.encode("ascii") for each in manner.alpn)
        return next((each for each in spoken if each in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

    context.set_alpn_select_callback(choose)
    context.set_ocsp_server_callback(lambda connection, data: response)
    return context


class Stapled:
    """Stands for an `ssl.SSLObject` over the same two buffers."""

    def __init__(
        self,
        begun: SSL.Context,
        certified: SSL.Context,
        minimum: str,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        self._connection = SSL.Connection(begun)
        if minimum == "1.3":
            self._connection.set_options(SSL.OP_NO_TLSv1_2)
        self._connection.set_accept_state()
        # As in `Handshake`: the key for tickets stays that of the context it began with.
        self._connection.set_context(certified)
        self._incoming = incoming
        self._outgoing = outgoing
        self._partial = b""

    def do_handshake(self) -> None:
        """Go on. ssl.SSLWantReadError until more has come; ssl.SSLError."""
        while True:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                self._flush()
                self._feed()
            except SSL.Error as error:
                self._flush()
                _fail(error)
            else:
                self._flush()
                return

    def read(self, size: int = 1024, buffer: bytearray | None = None) -> int | bytes:
        """What was received, decrypted; nothing once the other side has said goodbye."""
        while True:
            try:
                if buffer is None:
                    return self._connection.recv(size)
                return self._connection.recv_into(buffer, size)
            except SSL.WantReadError:
                self._flush()
                self._feed()
            except SSL.ZeroReturnError:
                return b"" if buffer is None else 0
            except SSL.Error as error:
                self._flush()
                _fail(error)

    def write(self, data: bytes) -> int:
        """Encrypt; how much of it was, at most one record."""
        try:
            sent = self._connection.send(data)
        except SSL.Error as error:
            _fail(error)
        self._flush()
        return sent

    def pending(self) -> int:
        """Octets that are decrypted already."""
        return self._connection.pending()

    def unwrap(self) -> None:
        """Say goodbye. ssl.SSLWantReadError until the other side has said it too."""
        while True:
            try:
                over = self._connection.shutdown()
            except SSL.WantReadError:
                over = False
            except SSL.Error as error:
                _fail(error)
            self._flush()
            if over:
                return
            self._feed()

    def version(self) -> str | None:
        """As OpenSSL calls it."""
        return self._connection.get_protocol_version_name()

    def cipher(self) -> tuple[str, str, int] | None:
        """Its name, the version that it is of, and its bits."""
        name, version = self._connection.get_cipher_name(), self._connection.get_cipher_version()
        return None if name is None else (name, version or "", self._connection.get_cipher_bits() or 0)

    def selected_alpn_protocol(self) -> str | None:
        """What was agreed on."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii") or None

    @property
    def session_reused(self) -> bool:
        """pyOpenSSL does not tell: as if it was, for then the certificate may be an older one."""
        return True

    def exporter(self) -> bytes:
        """The binding of RFC 9266 §2, for TLS 1.3."""
        return self._connection.export_keying_material(b"EXPORTER-Channel-Binding", 32)

    def compression(self) -> None:
        """None is made."""

    def getpeercert(self, binary_form: bool = False) -> bytes | dict[str, object] | None:
        """Whoever is asked for a certificate gets no stapled response."""
        found = self._connection.get_peer_certificate(as_cryptography=True) if binary_form else None
        return None if found is None else found.public_bytes(Encoding.DER)

    def _feed(self) -> None:
        """Hand on one record: what lies behind it is not read ahead of it."""
        while len(self._partial) < _HEADER or len(self._partial) < self._wanted:
            want = _HEADER if len(self._partial) < _HEADER else self._wanted
            piece = self._incoming.read(want - len(self._partial))
            if not piece:
                if self._incoming.eof:
                    raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
                raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more has to come")
            self._partial += piece
        record, self._partial = self._partial, b""
        self._connection.bio_write(record)

    @property
    def _wanted(self) -> int:
        return _HEADER + int.from_bytes(self._partial[3:5], "big")

    def _flush(self) -> None:
        while True:
            try:
                self._outgoing.write(self._connection.bio_read(1 << 16))
            except SSL.WantReadError:
                return


def _fail(error: SSL.Error) -> NoReturn:
    reasons = cast("list[tuple[str, str, str]]", error.args[0] if error.args else [])
    raise ssl.SSLError(ssl.SSL_ERROR_SSL, "; ".join(each[2] for each in reasons) or type(error).__name__)
