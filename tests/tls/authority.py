"""A certificate authority for tests: certificates for any names, as a real one would issue them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """PEM, and the files that hold it once they are written."""

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    chain: bytes

    @property
    def key(self) -> bytes:
        """The private key."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def der(self) -> bytes:
        """What a client is shown."""
        return self.certificate.public_bytes(Encoding.DER)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Its two files."""
        chain, key = folder / f"{name}.pem", folder / f"{name}.key"
        chain.write_bytes(self.chain)
        key.write_bytes(self.key)
        return chain, key


class Authority:
    """Signs; its own certificate is in `<folder>/ca.pem`."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            self._builder(self.name, self.private, 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.private, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        *names: str,
        extensions: Sequence[x509.ExtensionType] = (),
        days: int = 30,
        private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    ) -> Issued:
        """A certificate for these DNS names, the first of which is its subject. private: its key, if any."""
        private = private or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._builder(subject, private, days * DAY).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        for each in extensions:
            builder = builder.add_extension(each, critical=False)
        certificate = builder.sign(self.private, hashes.SHA256())
        return Issued(certificate, private, certificate.public_bytes(Encoding.PEM))

    def _builder(
        self,
        subject: x509.Name,
        private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        valid: datetime.timedelta,
    ) -> x509.CertificateBuilder:
        began = min(NOW, NOW + valid) - DAY
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(NOW + valid)
        )
