"""Certificates of all kinds, made in the test that needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, *chain: Made, name: str = "server") -> tuple[Path, Path]:
        """The files that a server is given."""
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(self.pem + b"".join(each.pem for each in chain))
        key.write_bytes(self.key_pem)
        return certificate, key


def made(
    subject: str,
    issuer: Made | None = None,
    *,
    names: Sequence[str] = (),
    authority: bool = False,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    begins: datetime = NOW - timedelta(days=30),
    days: int = 90,
    issuers_at: str | None = None,
    ocsp_at: str | None = None,
    must_staple: bool = False,
    more: Sequence[x509.ExtensionType] = (),
) -> Made:
    """Signed by the issuer, or by itself; the key is ECDSA P-256 unless another is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)] if subject else [])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        general = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        built = built.add_extension(x509.SubjectAlternativeName(general), critical=False)
    access = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.CA_ISSUERS, issuers_at),
            (AuthorityInformationAccessOID.OCSP, ocsp_at),
        )
        if url
    ]
    if access:
        built = built.add_extension(x509.AuthorityInformationAccess(access), critical=False)
    if must_staple:
        built = built.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    for each in more:
        built = built.add_extension(each, critical=False)
    return Made(built.sign(issuer.key if issuer else key, SHA256()), key)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)
