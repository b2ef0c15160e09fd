"""One handshake with somebody else's server, by a client that believes everything and offers what it is told.

By pyOpenSSL, for Python's ssl shows neither a chain that is not verified nor a stapled response. It blocks.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from cryptography import x509
from OpenSSL import SSL

from hub.tls.naming import TLS_1_3

PATIENCE: Final = 10
"""Seconds for each answer."""
LONGEST: Final = 16 << 10
"""Octets that a server may say before TLS begins."""
EVERYTHING: Final = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
OLDEST: Final = 0x0301
_USUAL: Final[Mapping[int, str]] = {
    **dict.fromkeys((25, 587, 2525, 2587), "smtp"),
    **dict.fromkeys((143, 2143), "imap"),
    **dict.fromkeys((110, 2110), "pop3"),
}
_PORTS: Final[Mapping[str | None, int]] = {None: 465, "none": 465, "smtp": 25, "imap": 143, "pop3": 110}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server is, and how TLS begins there: `smtp`, `imap` or `pop3`, or `none` for at once."""

    host: str
    port: int
    starttls: str

    @classmethod
    def parse(cls, text: str, starttls: str | None) -> Self:
        """`host`, `host:port` or `[address]:port`. ValueError."""
        found = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([^:\[\]]+)(?::(\d{1,5}))?", text)
        bare = re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", text)
        if bare:
            host, port = text, _PORTS[starttls]
        elif found is None:
            raise ValueError(f"'{text}' is neither a file nor HOST, HOST:PORT or [ADDRESS]:PORT")
        else:
            host, port = found[1] or found[3], int(found[2] or found[4] or _PORTS[starttls])
        if not 0 < port < 65536:
            raise ValueError("a port is a number up to 65535")
        return cls(host, port, starttls or _USUAL.get(port, "none"))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server showed. staple: an OCSP response, empty without one."""

    version: str
    cipher: str
    chain: tuple[x509.Certificate, ...]
    staple: bytes


def visit(
    target: Target,
    name: str | None,
    *,
    least: int = OLDEST,
    most: int = TLS_1_3,
    ciphers: str = EVERYTHING,
) -> Seen:
    """Shake hands. name: that is asked for (SNI). SSL.Error if that fails, OSError if nobody answers."""
    staples: list[bytes] = []

    def keep(_connection: SSL.Connection, response: bytes, _data: object) -> bool:
        staples.append(response)
        return True

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(ciphers.encode("ascii"))
    context.set_min_proto_version(least)
    context.set_max_proto_version(most)
    context.set_ocsp_client_callback(keep)
    with _connected(target) as plain:
        _begin(plain, target.starttls)
        # The socket blocks; what takes too long is WantReadError.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            plain.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", PATIENCE, 0))
        plain.setblocking(True)
        connection = SSL.Connection(context, plain)
        connection.set_connect_state()
        connection.request_ocsp()
        if name:
            connection.set_tlsext_host_name(name.encode("idna"))
        connection.do_handshake()
        chain = connection.get_peer_cert_chain(as_cryptography=True) or []
        version, cipher = connection.get_protocol_version_name(), connection.get_cipher_name() or ""
        with suppress(SSL.Error):
            connection.shutdown()
        return Seen(version, cipher, tuple(chain), staples[0] if staples else b"")


def resumes(target: Target, name: str | None, version: ssl.TLSVersion) -> bool:
    """Whether a second connection goes on with the session of the first. OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    session: ssl.SSLSession | None = None
    for _ in range(2):
        with _connected(target) as plain:
            _begin(plain, target.starttls)
            with context.wrap_socket(plain, server_hostname=name, session=session) as client:
                if session is not None:
                    return bool(client.session_reused)
                # In TLS 1.3 tickets come behind the handshake: with the answer to whatever it is.
                client.sendall(b"NOOP\r\n")
                client.recv(1024)
                session = client.session
                if session is None:
                    return False
    return False


def _connected(target: Target) -> socket.socket:
    return socket.create_connection((target.host, target.port), timeout=PATIENCE)


def _begin(plain: socket.socket, starttls: str) -> None:
    """Ask for TLS (RFC 3207, RFC 3501 §6.2.1, RFC 2595 §4). OSError."""
    server = _Lines(plain)
    if starttls == "smtp":
        server.until(rb"2\d\d ")
        server.ask(b"EHLO [127.0.0.1]", rb"2\d\d ")
        server.ask(b"STARTTLS", rb"2\d\d ")
    elif starttls == "imap":
        server.until(rb"\* (OK|PREAUTH)")
        server.ask(b"a STARTTLS", rb"a OK", among=rb"\* (?!BYE)")
    elif starttls == "pop3":
        server.until(rb"\+OK")
        server.ask(b"STLS", rb"\+OK")


class _Lines:
    """What a server says in the clear."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._rest = b""
        self._left = LONGEST

    def ask(self, line: bytes, good: bytes, among: bytes = rb"\d\d\d-") -> None:
        self._plain.sendall(line + b"\r\n")
        self.until(good, among)

    def until(self, good: bytes, among: bytes = rb"\d\d\d-") -> None:
        """Read lines up to the good one. among: what others may stand before it."""
        while not re.match(good, line := self._line(), re.I):
            if not re.match(among, line, re.I):
                raise ConnectionRefusedError(0, f"it says {line[:200].decode('latin-1').strip()!r}")

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            piece = self._plain.recv(1024)
            self._left -= len(piece)
            if not piece or self._left < 0:
                raise ConnectionResetError(0, "it ends the connection before TLS begins")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line


Tell = Callable[[str], None]
"""Told what is tried now."""


def accepted(target: Target, name: str | None, version: int, tell: Tell) -> list[str]:
    """The ciphers of TLS 1.2 and before that a server takes, in the order in which it does."""
    found: list[str] = []
    while True:
        without = "".join(f":!{each}" for each in found)
        offered = EVERYTHING.replace(":@", f"{without}:@")
        try:
            seen = visit(target, name, least=version, most=version, ciphers=offered)
        except (SSL.Error, OSError):
            return found
        if seen.cipher in found:
            return found
        found.append(seen.cipher)
        tell(f"ciphers: {len(found)}")
