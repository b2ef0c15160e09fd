"""A certificate with its chain and its key: read, found to fit, and put into contexts."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hub.tls.chain import key_kind


class PairError(ValueError):
    """A pair cannot be used: the text names the file and says why. part: `certificate` or `key`."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(reason)
        self.part = part


@dataclass(frozen=True, slots=True)
class Pair:
    """Two PEM files as they were read. label: where they were named.

    names: that the certificate is for, in lower case, `*.` before those of wildcards. fingerprint: the
    certificate's SHA-256 as openssl prints it. changed: seconds since the epoch when its file last was, even
    if only by a rename.
    """

    label: str
    file: Path
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: frozenset[str]
    fingerprint: str
    changed: float = field(default=0.0, compare=False)

    @property
    def kind(self) -> str:
        """ECDSA, RSA, …: of its key."""
        return key_kind(x509.load_pem_x509_certificate(self.chain))

    @property
    def digest(self) -> bytes:
        """Equal in two pairs of the same contents."""
        return hashlib.sha256(self.chain + b"\0" + self.key).digest()

    @property
    def end_point(self) -> bytes:
        """What channel binding calls tls-server-end-point (RFC 5929 §4.1); empty where it is not defined."""
        first = x509.load_pem_x509_certificate(self.chain)
        used = first.signature_hash_algorithm
        if used is None:
            return b""
        name = "sha256" if used.name in ("md5", "sha1") else used.name
        return hashlib.new(name, first.public_bytes(Encoding.DER)).digest()

    def put_into(self, context: ssl.SSLContext) -> None:
        """Have a context show this certificate. ssl.SSLError, ValueError if the key is encrypted.

        OpenSSL reads files alone; those it gets here are what was read and judged, whatever was saved since.
        """
        with _file_of(self.chain) as chain, _file_of(self.key) as key:
            context.load_cert_chain(chain, key, password=_no_password)


def read_pair(label: str, certificate: Path, key: Path) -> Pair:
    """The pair in two files. PairError; blocks."""
    contents = {}
    changed = 0.0
    for part, path in (("certificate", certificate), ("key", key)):
        try:
            contents[part] = path.read_bytes()
            changed = max(changed, path.stat().st_ctime)
        except OSError as error:
            raise PairError(part, f"{path}: {error.strerror}") from error
        wanted = "CERTIFICATE-----" if part == "certificate" else "PRIVATE KEY-----"
        if wanted.encode() not in contents[part]:
            raise PairError(part, f"{path}: it holds no PEM block '-----BEGIN … {wanted}'")
    try:
        first = x509.load_pem_x509_certificate(contents["certificate"])
        names = _names(first)
    except ValueError as error:
        raise PairError("certificate", f"{certificate}: it holds no certificate that can be read") from error
    fingerprint = hashlib.sha256(first.public_bytes(Encoding.DER)).digest().hex(":").upper()
    pair = Pair(label, certificate, contents["certificate"], contents["key"], names, fingerprint, changed)
    _fits(pair, certificate, key)
    return pair


def _fits(pair: Pair, certificate: Path, key: Path) -> None:
    try:
        pair.put_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"it is not the key of the first certificate in {certificate}"
        else:
            reason = f"it cannot be used with {certificate}: {error.reason or error}"
        raise PairError("key", f"{key}: {reason}") from error
    except ValueError as error:
        reason = f"it is encrypted; write it plain: openssl pkey -in {key} -out plain.pem"
        raise PairError("key", f"{key}: {reason}") from error


def _names(certificate: x509.Certificate) -> frozenset[str]:
    """DNS names and addresses of the subjectAltName; without one the common name, as of old."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return frozenset(str(each.value).lower() for each in common)
    addresses = (str(each) for each in found.get_values_for_type(x509.IPAddress))
    return frozenset((*(each.lower() for each in found.get_values_for_type(x509.DNSName)), *addresses))


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """The path of a file in memory; nothing touches the disk."""
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """Called for an encrypted key, for which OpenSSL would otherwise ask on the terminal."""
    raise ValueError
