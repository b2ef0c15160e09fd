"""Whether a certificate still holds, in the words of who issued it (OCSP, RFC 6960): asked, and judged.

certificate ──► request ──► the responder that it names ──► response: whose? for which? until when?
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

LONGEST: Final = 64 << 10
"""Octets of an answer; a real one has under three thousand."""
PATIENCE: Final = 20.0
"""Seconds for a responder, altogether."""
SKEW: Final = timedelta(minutes=5)
"""How much the responder's clock may be ahead of ours."""


class OcspError(RuntimeError):
    """There is no response that could be stapled, and why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A certificate that can be asked about. url: of its issuer's responder."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    url: str


@dataclass(frozen=True, slots=True)
class Response:
    """A good one. der: as it is stapled."""

    der: bytes
    made: datetime
    until: datetime

    def is_current(self, now: datetime) -> bool:
        """Whether a client still takes it."""
        return now < self.until

    def is_due(self, now: datetime) -> bool:
        """Whether half of its time is over, so that a newer one should be asked for."""
        return now > self.made + (self.until - self.made) / 2


def subject_of(chain: bytes) -> Subject | None:
    """What to ask about a chain; None if it names no responder, or its issuer is not in it."""
    certificate, *others = x509.load_pem_x509_certificates(chain)
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    urls = [
        each.access_location.value
        for each in access
        if each.access_method == AuthorityInformationAccessOID.OCSP
        and str(each.access_location.value).startswith("http://")
    ]
    issuer = next((each for each in others if each.subject == certificate.issuer), None)
    return Subject(certificate, issuer, urls[0]) if urls and issuer is not None else None


def must_staple(chain: bytes) -> bool:
    """Whether clients are told to refuse the certificate without a response (RFC 7633)."""
    certificate = x509.load_pem_x509_certificate(chain)
    try:
        features = certificate.extensions.get_extension_for_class(x509.TLSFeature).value
    except x509.ExtensionNotFound:
        return False
    return x509.TLSFeatureType.status_request in features


async def fetch(subject: Subject) -> Response:
    """Ask the responder. OcspError."""
    # SHA-1 names the issuer and protects nothing; it is what all responders look things up by (RFC 5019).
    builder = ocsp.OCSPRequestBuilder().add_certificate(subject.certificate, subject.issuer, hashes.SHA1())
    request = builder.build().public_bytes(Encoding.DER)
    try:
        async with asyncio.timeout(PATIENCE):
            answer = await _post(subject.url, request)
    except TimeoutError:
        raise OcspError(f"{subject.url} does not answer within {PATIENCE:g} s") from None
    except (OSError, ValueError) as error:
        raise OcspError(f"{subject.url} does not answer: {error}") from error
    return judge(subject, answer, datetime.now(UTC))


def judge(subject: Subject, der: bytes, now: datetime) -> Response:
    """The response, if it says of this certificate that it is good, is signed, and is current. OcspError."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspError(f"the responder refuses: {answer.response_status.name.lower()}")
        if answer.serial_number != subject.certificate.serial_number or not _is_about(answer, subject):
            raise OcspError("the response is about another certificate")
        _verify(answer, subject.issuer, now)
        made, until = answer.this_update_utc, answer.next_update_utc
        status = answer.certificate_status
    except ValueError as error:
        raise OcspError(f"the response cannot be read: {error}") from error
    if status is not ocsp.OCSPCertStatus.GOOD:
        raise OcspError(f"the certificate is {status.name.lower()}: get another one")
    if until is None or made > now + SKEW or until <= now:
        raise OcspError(f"the response holds from {made} until {until}, and not now")
    return Response(der, made, until)


def _is_about(answer: ocsp.OCSPResponse, subject: Subject) -> bool:
    builder = ocsp.OCSPRequestBuilder().add_certificate(
        subject.certificate, subject.issuer, answer.hash_algorithm
    )
    asked = builder.build()
    return (asked.issuer_key_hash, asked.issuer_name_hash) == (
        answer.issuer_key_hash,
        answer.issuer_name_hash,
    )


def _verify(answer: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> None:
    """The issuer has signed it, or somebody whom the issuer has named for that (RFC 6960 §4.2.2.2)."""
    for signer in (issuer, *(each for each in answer.certificates if _is_delegate(each, issuer, now))):
        try:
            _check(signer, answer)
        except InvalidSignature:
            continue
        return
    raise OcspError("the response is not signed by the certificate's issuer")


def _is_delegate(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    is_valid = certificate.not_valid_before_utc - SKEW <= now <= certificate.not_valid_after_utc
    return is_valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage


def _check(signer: x509.Certificate, answer: ocsp.OCSPResponse) -> None:
    key, algorithm = signer.public_key(), answer.signature_hash_algorithm
    signature, signed = answer.signature, answer.tbs_response_bytes
    if isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, signed, ec.ECDSA(algorithm))
    elif isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, signed)
    else:
        raise InvalidSignature


async def _post(url: str, request: bytes) -> bytes:
    """HTTP/1.0, so that the answer ends with the connection and comes in one piece. OSError, ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("it is no URL of a host")
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=LONGEST)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"POST {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nContent-Type: application/ocsp-request\r\n"
            f"Content-Length: {len(request)}\r\n\r\n".encode("ascii")
            + request
        )
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].decode("latin-1")
        if status.split(" ")[1:2] != ["200"]:
            raise ValueError(f"it says {status[:80]!r}")
        body = b""
        while len(body) <= LONGEST and (piece := await reader.read(LONGEST)):
            body += piece
        return body
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ValueError("what it says is no HTTP") from error
    finally:
        writer.close()
