"""Whose certificates clients may show: authorities and their revocation lists, in PEM (RFC 5280 §5)."""

from __future__ import annotations

import ssl
import tempfile
from typing import Final

from hub.tls.context import server_context

_LIST: Final = b"-----BEGIN X509 CRL-----"


def believe(context: ssl.SSLContext, pem: bytes) -> None:
    """Take client certificates of these authorities; ssl.SSLError if there are none."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # of lists, OpenSSL is told by files alone
        file.write(pem)
        file.flush()
        context.load_verify_locations(cafile=file.name)
    if not context.cert_store_stats()["x509"]:
        raise ssl.SSLError("no certificate, but lists of revoked ones")


def asking_context(pem: bytes) -> ssl.SSLContext:
    """What a handshake begins with in which the client may show a certificate.

    How that is verified is decided by it, and by whom by the context that takes its place. If there are
    revocation lists, a certificate must not be on its issuer's, which has to be there and not over.
    """
    context = server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    if _LIST in pem:
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    return context
