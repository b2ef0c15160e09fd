"""What is wrong with a certificate, its chain and its key, and what to do about it.

Judged as a client would (RFC 5280 §6, RFC 9525), from the octets and the time alone:

    file ──► certificates in its order ──► path: the server's own, who issued it, who issued that … ──► faults
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

Severity: TypeAlias = Literal["error", "warning", "hint"]
"""error: clients that check turn away; warning: some do, or will soon; hint: it works."""
Roots: TypeAlias = Callable[[], Sequence[x509.Certificate]]

SOON: Final = timedelta(days=14)
"""Less than this is left, and less than a third of its life: whoever renews it should have done so."""
RSA_BITS: Final = 2048
EC_BITS: Final = 256
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
_WEAK_HASHES: Final = ("md5", "sha1")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. kind: a stable word for it; remedy: what to do."""

    kind: str
    severity: Severity
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def faults(
    chain_pem: bytes, key_pem: bytes | None, now: float, *, roots: Roots | None = None
) -> Sequence[Fault]:
    """What is wrong with a PEM chain and its key, worst first; nothing is, if it is empty.

    key_pem: None if nobody has it. now: seconds since 1970. roots: what clients trust, in place of this
    system's own.
    """
    try:
        found = read(chain_pem)
    except ValueError as error:
        return [Fault("unreadable", "error", str(error), "write the certificates as PEM blocks")]
    key_faults, leaf = _of_key(found, key_pem)
    path = _path(leaf, found)
    moment = datetime.fromtimestamp(now, UTC)
    said = [
        *key_faults,
        *_of_order(leaf, path, found),
        *_of_end(path, roots or system_roots),
        *(each for certificate in path for each in _of_time(certificate, leaf, moment)),
        *(each for certificate in path for each in _of_strength(certificate)),
        *_of_leaf(leaf),
    ]
    return sorted(said, key=lambda fault: ("error", "warning", "hint").index(fault.severity))


def read(chain_pem: bytes) -> Sequence[x509.Certificate]:
    """The certificates in PEM, in their order. ValueError if there is none, or one cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what will be refused in a later release
            return x509.load_pem_x509_certificates(chain_pem)
    except ValueError as error:
        raise ValueError("there is no certificate in it that can be read") from error


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """DNS names and addresses that a certificate is for (RFC 9525 §6.1: the subject does not count)."""
    found = _extension(certificate, x509.SubjectAlternativeName)
    if found is None:
        return ()
    addresses = (str(each) for each in found.get_values_for_type(x509.IPAddress))
    return (*(each.lower() for each in found.get_values_for_type(x509.DNSName)), *addresses)


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether a host may show the certificate; a wildcard stands for one whole label (RFC 9525 §6.3)."""
    host = host.lower().rstrip(".")
    own = names(certificate)
    return host in own or f"*.{host.partition('.')[2]}" in own


def key_kind(certificate: x509.Certificate) -> str:
    """ECDSA, RSA, Ed25519, …: what kind of signature its server makes."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def subject(certificate: x509.Certificate) -> str:
    """Whom a certificate is about, in a few words: a name, for a host its first."""
    return _short(certificate.subject) or next(iter(names(certificate)), "a certificate without a subject")


def system_roots() -> Sequence[x509.Certificate]:
    """The authorities that this system trusts; none if it keeps no file of them. Blocks."""
    file = ssl.get_default_verify_paths().cafile
    return read(Path(file).read_bytes()) if file else ()


def _of_key(found: Sequence[x509.Certificate], key_pem: bytes | None) -> tuple[list[Fault], x509.Certificate]:
    """What is wrong with the key, and the certificate that a server with it has."""
    first = found[0]
    if key_pem is None:
        return [], next((each for each in found if not _is_authority(each)), first)
    try:
        public = _octets(load_pem_private_key(key_pem, None).public_key())
    except TypeError:
        advice = "write it plain: openssl pkey -in KEY -out plain.pem"
        return [Fault("key-encrypted", "error", "the key is encrypted", advice)], first
    except (ValueError, UnsupportedAlgorithm):
        return [Fault("key-unreadable", "error", "the key cannot be read", "write it as a PEM block")], first
    mine = next((each for each in found if _octets(each.public_key()) == public), None)
    if mine is None:
        what = f"the key is not that of the certificate for {subject(first)}"
        return [Fault("key-mismatch", "error", what, "use the key that it was requested with")], first
    return [], mine


def _path(leaf: x509.Certificate, found: Sequence[x509.Certificate]) -> Sequence[x509.Certificate]:
    """The leaf, its issuer, the issuer of that … as far as the file has them."""
    path = [leaf]
    while not _is_issued_by(path[-1], path[-1]):
        issuer = next((each for each in found if each not in path and _is_issued_by(path[-1], each)), None)
        if issuer is None:
            break
        path.append(issuer)
    return path


def _of_order(
    leaf: x509.Certificate, path: Sequence[x509.Certificate], found: Sequence[x509.Certificate]
) -> Iterator[Fault]:
    on_path = [each for each in found if each in path]
    unique = list(dict.fromkeys(on_path))
    if found[0] != leaf:
        what = f"the certificate for {subject(leaf)} is not the first of the file"
        yield Fault("order", "error", what, "put it first, then " + _sequence(path[1:]))
    elif unique != list(path):  # RFC 8446 §4.4.2: "SHOULD"; RFC 5246 §7.4.2: "MUST"
        yield Fault("order", "warning", "the chain is out of order", "write it as " + _sequence(path))
    strangers = [subject(each) for each in found if each not in path]
    if strangers or len(on_path) > len(unique):
        what = (
            f"the file holds {', '.join(strangers) or 'a certificate twice'}, which the chain does not need"
        )
        yield Fault("unneeded", "hint", what, "take it out: clients are sent it with every handshake")


def _of_end(path: Sequence[x509.Certificate], roots: Roots) -> Iterator[Fault]:
    """Whether a client gets from the last certificate of the path to an authority that it knows."""
    last = path[-1]
    if _is_issued_by(last, last):
        if len(path) == 1:
            what = "it is self-signed: only clients that were told to trust it do"
            yield Fault("self-signed", "warning", what, "get one of an authority, for instance by ACME")
        return
    if any(_is_issued_by(last, each) for each in roots()):
        return
    issuer = _short(last.issuer) or "its issuer"
    urls = _access(last, AuthorityInformationAccessOID.CA_ISSUERS)
    if urls:
        what = f"the certificate of {issuer}, who issued the one for {subject(last)}, is missing"
        advice = f"append what lies at {urls[0]} (in DER: openssl x509 -inform DER)"
        yield Fault("missing-intermediate", "error", what, advice)
    elif len(path) == 1:
        what = f"{issuer}, who issued it, is neither in the file nor an authority that this system knows"
        advice = "append its certificate, unless it is a root that your clients have"
        yield Fault("missing-intermediate", "hint", what, advice)


def _of_time(certificate: x509.Certificate, leaf: x509.Certificate, now: datetime) -> Iterator[Fault]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    whose = "it" if certificate == leaf else f"the certificate of {subject(certificate)}"
    renew = "renew it" if certificate == leaf else "replace it by the authority's current one"
    if now > end:
        what = f"{whose} has expired on {end:%Y-%m-%d}: clients that check it turn away"
        yield Fault("expired", "error", what, renew)
    elif now < begin:
        what = f"{whose} is not valid yet, but from {begin:%Y-%m-%d %H:%M} UTC on"
        yield Fault("not-yet-valid", "error", what, "look at the clock of this machine, or wait")
    elif end - now < min(SOON, (end - begin) / 3):
        days = (end - now).days
        left = f"in {days} days" if days else "within a day"
        yield Fault("expires-soon", "warning", f"{whose} expires {left}", renew)


def _of_strength(certificate: x509.Certificate) -> Iterator[Fault]:
    whose = subject(certificate)
    key = certificate.public_key()
    anew = "make a new key of ECDSA P-256 or RSA 2048, and have it certified"
    if isinstance(key, dsa.DSAPublicKey):
        yield Fault("weak-key", "error", f"the key of {whose} is DSA, which no client takes", anew)
    elif isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS:
        yield Fault("weak-key", "error", f"the key of {whose} is RSA of {key.key_size} bits", anew)
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < EC_BITS:
        yield Fault("weak-key", "error", f"the key of {whose} is ECDSA of {key.key_size} bits", anew)
    if _is_issued_by(certificate, certificate):
        return  # nobody looks at the signature of a root
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return
    if algorithm is not None and algorithm.name in _WEAK_HASHES:
        what = f"the certificate of {whose} is signed with {algorithm.name.upper()}"
        yield Fault("weak-signature", "error", what, "have it issued again with SHA-256")


def _of_leaf(leaf: x509.Certificate) -> Iterator[Fault]:
    if not names(leaf):
        common = _short(leaf.subject)
        what = "it names no host in its subjectAltName, and clients look nowhere else"
        yield Fault("no-names", "error", what, f"have it issued with DNS:{common or 'the.host.name'}")
    if _is_authority(leaf) and not _is_issued_by(leaf, leaf):
        what = "it is the certificate of an authority (CA:TRUE), not of a server"
        yield Fault("authority", "error", what, "have one issued with CA:FALSE")
    usage = _extension(leaf, x509.ExtendedKeyUsage)
    if usage is not None and not {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    } & set(usage):
        what = "it is not meant for servers (extended key usage)"
        yield Fault("usage", "error", what, "have it issued with serverAuth")
    feature = _extension(leaf, x509.TLSFeature)
    if (
        feature is not None
        and x509.TLSFeatureType.status_request in feature
        and not _access(leaf, AuthorityInformationAccessOID.OCSP)
    ):
        what = "it must be served with an OCSP response (must-staple) and names nobody who gives one"
        yield Fault("must-staple", "error", what, "have it issued without must-staple, or with an OCSP URI")


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def _access(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> list[str]:
    found = _extension(certificate, x509.AuthorityInformationAccess)
    return [str(each.access_location.value) for each in found or () if each.access_method == method]


def _is_authority(certificate: x509.Certificate) -> bool:
    found = _extension(certificate, x509.BasicConstraints)
    return found is not None and found.ca


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    except UnsupportedAlgorithm:
        return True  # of the name alone
    return True


def _octets(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _short(name: x509.Name) -> str:
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        for each in name.get_attributes_for_oid(kind):
            return str(each.value)
    return ""


def _sequence(path: Sequence[x509.Certificate]) -> str:
    return ", ".join(subject(each) for each in path) or "nothing else"
