"""What every context of the hub is like, whichever side it is for."""

from __future__ import annotations

import ssl
from typing import Final

# TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325 §4.2); TLS 1.3 has a list of its own.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(minimum: str = "1.2") -> ssl.SSLContext:
    """A server's context without a certificate. minimum: the oldest version, `1.2` or `1.3`.

    The groups are OpenSSL's own choice, X25519 first; Python makes no compression and prefers our order.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    set_minimum(context, minimum)
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    return context


def set_minimum(context: ssl.SSLContext, minimum: str) -> None:
    """Speak nothing older from now on."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if minimum == "1.3" else ssl.TLSVersion.TLSv1_2


def client_context(*, verified: bool, trusted: str | None = None) -> ssl.SSLContext:
    """A client's context. verified: whether the other side must prove its name.

    trusted: a PEM file of authorities in place of the system's.
    """
    if verified:
        context = ssl.create_default_context(cafile=trusted)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context
