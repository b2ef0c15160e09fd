"""What a handshake has agreed on, as sessions and plugins see it."""

from __future__ import annotations

import asyncio
import hashlib
import ssl

from cryptography import x509

from hub.hooks.session import TlsInfo
from hub.mail.login import ClientCertificate


def tls_info(transport: asyncio.BaseTransport) -> TlsInfo | None:
    """None on a plain connection."""
    agreed: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    cipher = agreed.cipher() if agreed is not None else None
    if agreed is None or cipher is None:
        return None
    shown = agreed.getpeercert(binary_form=True)
    return TlsInfo(
        agreed.version() or "",
        cipher[0],
        getattr(agreed, "sni", None),
        agreed.selected_alpn_protocol(),
        _read(shown) if shown else None,
        bindings() if (bindings := getattr(agreed, "bindings", None)) is not None else {},
    )


def _read(der: bytes) -> ClientCertificate | None:
    """What is known of a certificate; None if it is none that could be read, and so nobody logs in by it."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject.rfc4514_string()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        emails = tuple(names.get_values_for_type(x509.RFC822Name))
    except x509.ExtensionNotFound:
        emails = ()
    except ValueError:
        return None
    return ClientCertificate(subject, hashlib.sha256(der).digest().hex(":").upper(), emails)
