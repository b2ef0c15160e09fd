"""A server's certificate held against TLSA records (RFC 6698, RFC 7671, RFC 7672 §3).

The handshake takes any certificate; this looks at it before anything is said. What an authority of the
domain's own has signed (usage 2) is verified by OpenSSL with that authority as the only one trusted, so that
dates, signatures and constraints count as they would in a handshake.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hub.mail.tls import Tlsa, TlsFault

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

DANE_TA: Final = 2
DANE_EE: Final = 3
MOST_CERTIFICATES: Final = 10
_HASHES: Final = {1: hashlib.sha256, 2: hashlib.sha512}


def presented(tls: ssl.SSLObject) -> list[bytes]:
    """The server's certificates, its own first, DER; not verified."""
    # `get_unverified_chain` is public from Python 3.13 on, and gives DER there.
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())[:MOST_CERTIFICATES]
    inner = getattr(tls, "_sslobj")  # noqa: B009 - private until then
    encoding = 2  # _ssl.ENCODING_DER
    return [each.public_bytes(encoding) for each in (inner.get_unverified_chain() or ())[:MOST_CERTIFICATES]]


def fault_of(records: Sequence[Tlsa], names: Sequence[str], chain: Sequence[bytes]) -> TlsFault | None:
    """Why none of the usable records fits; None if one does."""
    from cryptography.x509 import load_der_x509_certificate

    if not chain:
        return TlsFault("validation-failure", "it shows no certificate")
    try:
        certificates = [load_der_x509_certificate(each) for each in chain]
        if any(record.usage == DANE_EE and _matches(record, certificates[0]) for record in records):
            return None  # RFC 7672 §3.1.1: neither names nor dates matter
        anchors = [
            each
            for each in (*certificates, *_in_full(records))
            if any(record.usage == DANE_TA and _matches(record, each) for record in records)
        ]
        if not anchors:
            return TlsFault("validation-failure", "its certificate fits none of the TLSA records")
        return _unverified(certificates, anchors) or _misnamed(certificates[0], names)
    except ValueError as error:
        return TlsFault("validation-failure", f"its certificate cannot be read: {error}")


def _matches(record: Tlsa, certificate: Certificate) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if record.selector == 0:
        content = certificate.public_bytes(Encoding.DER)
    else:
        content = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    hashed = _HASHES.get(record.matching)
    return record.data == (hashed(content).digest() if hashed else content)


def _in_full(records: Sequence[Tlsa]) -> list[Certificate]:
    """Authorities whose whole certificate lies in DNS: they need not be presented (RFC 7671 §5.2)."""
    from cryptography.x509 import load_der_x509_certificate

    return [
        load_der_x509_certificate(each.data)
        for each in records
        if (each.usage, each.selector, each.matching) == (DANE_TA, 0, 0)
    ]


def _unverified(certificates: Sequence[Certificate], anchors: Sequence[Certificate]) -> TlsFault | None:
    """What OpenSSL finds wrong with the way from the server's certificate to one of these."""
    from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags

    store = X509Store()
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)  # an authority need not be a root
    for each in anchors:
        store.add_cert(X509.from_cryptography(each))
    leaf, *others = map(X509.from_cryptography, certificates)
    try:
        X509StoreContext(store, leaf, others).verify_certificate()
    except X509StoreContextError as error:
        kind = "certificate-expired" if "expired" in str(error) else "certificate-not-trusted"
        return TlsFault(kind, f"its certificate does not lead to the one in its TLSA records: {error}")
    return None


def _misnamed(certificate: Certificate, names: Sequence[str]) -> TlsFault | None:
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName

    try:
        alternative = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except ExtensionNotFound:
        own: list[str] = []
    else:
        own = alternative.get_values_for_type(DNSName)
    if any(_covers(each.lower(), name) for each in own for name in names):
        return None
    return TlsFault(
        "certificate-host-mismatch",
        f"its certificate is for {', '.join(own[:5]) or 'no name'} and not for {' or '.join(names)}",
    )


def _covers(pattern: str, name: str) -> bool:
    """A star stands for one whole label, the first (RFC 6125 §6.4.3)."""
    if pattern.startswith("*."):
        return pattern[2:] == name.partition(".")[2]
    return pattern == name
