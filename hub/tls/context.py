"""One server context for every listener, from the [tls] table, and what is wrong with its files."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import Final

from hub.config.model import TlsTable
from hub.log import get_logger

# TLS 1.2 with forward secrecy and authenticated encryption (RFC 9325 §4.2); TLS 1.3 has a list of its own.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20"
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SEE: Final = "See: hub config explain tls"

_log = get_logger(area="tls")


class CertificateError(RuntimeError):
    """The certificate or its key cannot be used; the text names the file and says why.

    key: of the configuration, below [tls].
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"tls.{key}: {reason}. {_SEE}")
        self.key = key
        self.reason = reason


def server_context(settings: TlsTable) -> ssl.SSLContext | None:
    """The context of all listeners, None without a certificate. CertificateError.

    A certificate that has expired is used, with a warning: other servers send mail to it all the same.
    """
    if settings.certificate is None or settings.key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.minimum == "1.3" else ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _load(context, settings.certificate, settings.key)
    fault = _fault(context, settings.certificate)
    if fault:
        _log.warning("certificate", file=str(settings.certificate), reason=fault)
    return context


def fingerprints(settings: TlsTable) -> tuple[str, str]:
    """The certificate's SHA-256 as openssl prints it, or nothing, and a hash of all that makes a context."""
    contents = []
    for path in (settings.certificate, settings.key):
        try:
            contents.append(path.read_bytes() if path is not None else b"")
        except OSError as error:
            contents.append(f"{path}: {error.strerror}".encode())
    whole = hashlib.sha256(b"\0".join((settings.minimum.encode(), *contents))).hexdigest()
    first = _CERTIFICATE.search(contents[0])
    try:
        der = ssl.PEM_cert_to_DER_cert(first[0].decode("ascii")) if first else b""
    except ValueError:
        der = b""
    return hashlib.sha256(der).digest().hex(":").upper() if der else "", whole


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            with path.open("rb") as file:
                content = file.read()
        except OSError as error:
            raise CertificateError(name, f"{path}: {error.strerror}") from error
        wanted = "CERTIFICATE-----" if name == "certificate" else "PRIVATE KEY-----"
        if wanted.encode() not in content:
            raise CertificateError(name, f"{path}: it holds no PEM block '-----BEGIN … {wanted}'")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = f"it is not the key of the first certificate in {certificate}"
        else:
            reason = f"it cannot be used with {certificate}: {error.reason or error}"
        raise CertificateError("key", f"{key}: {reason}") from error
    except ValueError as error:
        raise CertificateError(
            "key", f"{key}: it is encrypted; write it plain: openssl pkey -in {key} -out plain.pem"
        ) from error


def _no_password() -> str:
    """Called for an encrypted key, for which OpenSSL would otherwise ask on the terminal."""
    raise ValueError


def _fault(context: ssl.SSLContext, certificate: Path) -> str | None:
    """What clients that look closely will say, found by being one that trusts this certificate alone."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client_context.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server) * 3:  # either protocol version needs two turns of each
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            if error.verify_code == _EXPIRED:
                return "it has expired: clients that check it will not log in; renew it"
            if error.verify_code == _NOT_YET_VALID:
                return "it is not valid yet: look at the clock"
            return error.verify_message
    return None
