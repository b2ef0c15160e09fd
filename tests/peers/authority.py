"""An authority of a test's own, and what it gives to servers."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True, slots=True)
class Given:
    """A certificate with its key. chain, key: PEM files, the authority's certificate behind its own."""

    certificate: x509.Certificate
    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        return context


class Authority:
    """Its own certificate lies in `path`."""

    def __init__(self, folder: Path, name: str = "Authority") -> None:
        self._folder = folder
        self._key = generate_private_key(SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        extensions = [x509.BasicConstraints(ca=True, path_length=None)]
        self.certificate = self._sign(self._name, self._key, extensions, timedelta(days=2))
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def give(self, *names: str, lasting: timedelta = timedelta(days=1)) -> Given:
        """One for these names and addresses."""
        key = generate_private_key(SECP256R1())
        alternative = x509.SubjectAlternativeName(list(map(_general, names)))
        common = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        certificate = self._sign(common, key, [alternative], lasting)
        chain, path = self._folder / f"{names[0]}.chain", self._folder / f"{names[0]}.key"
        chain.write_bytes(
            b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, self.certificate))
        )
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Given(certificate, chain, path)

    def _sign(
        self,
        subject: x509.Name,
        key: EllipticCurvePrivateKey,
        extensions: list[x509.BasicConstraints] | list[x509.SubjectAlternativeName],
        lasting: timedelta,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=3)).not_valid_after(now + lasting)
        for each in extensions:
            builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def tlsa(certificate: x509.Certificate, usage: int, selector: int = 1, matching: int = 1) -> str:
    """The TLSA record of a certificate."""
    if selector:
        content = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        content = certificate.public_bytes(Encoding.DER)
    data = {0: content, 1: hashlib.sha256(content).digest(), 2: hashlib.sha512(content).digest()}[matching]
    return f"TLSA {usage} {selector} {matching} {data.hex()}"


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
