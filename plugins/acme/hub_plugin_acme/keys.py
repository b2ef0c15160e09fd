"""Keys, requests and what stands in certificates; nothing here asks anybody."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hub_plugin_acme.orders import Issued, Refused

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""id-pe-acmeIdentifier (RFC 8737 §6.1)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a certificate says. begins, ends: seconds since the epoch. fingerprint: its SHA-256, in hex."""

    names: frozenset[str]
    begins: float
    ends: float
    fingerprint: str


def make_key(kind: str) -> str:
    """A new private key, ecdsa or rsa, as PEM."""
    if kind == "rsa":
        return _pem(rsa.generate_private_key(65537, 2048))
    return _pem(ec.generate_private_key(ec.SECP256R1()))


def make_request(key_pem: str, names: Sequence[str]) -> bytes:
    """A certificate signing request for the names (RFC 8555 §7.4), as PEM."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = request.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
    return request.sign(_load(key_pem), hashes.SHA256()).public_bytes(Encoding.PEM)


def facts_of(chain_pem: str) -> Facts:
    """Of the first certificate of a chain. ValueError."""
    return _facts(x509.load_pem_x509_certificates(chain_pem.encode())[0])


def check(issued: Issued, names: Sequence[str], now: float) -> Facts:
    """See that what was issued is what was asked for. Refused."""
    try:
        first = x509.load_pem_x509_certificates(issued.chain.encode())[0]
        facts = _facts(first)
        mine, theirs = (
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            for key in (_load(issued.key).public_key(), first.public_key())
        )
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise Refused(f"what the authority has issued cannot be read: {error}") from error
    if mine != theirs:
        raise Refused("what the authority has issued is for another key")
    if lacking := set(names) - facts.names:
        raise Refused(f"what the authority has issued is not for {', '.join(sorted(lacking))}")
    if facts.ends <= now:
        raise Refused("what the authority has issued has ended already", "Look at the clock of this machine.")
    return facts


def make_proof(name: str, authorization: str) -> Issued:
    """The certificate that answers tls-alpn-01 (RFC 8737 §3): it is for the name, and says the proof."""
    digest = hashlib.sha256(authorization.encode()).digest()
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        # An OCTET STRING of 32 octets.
        .add_extension(x509.UnrecognizedExtension(ACME_IDENTIFIER, b"\x04\x20" + digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate.public_bytes(Encoding.PEM).decode(), _pem(key))


def _facts(certificate: x509.Certificate) -> Facts:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return Facts(
        frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName)),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(key_pem: str) -> Key:
    key = load_pem_private_key(key_pem.encode(), None)
    assert isinstance(key, Key)
    return key
