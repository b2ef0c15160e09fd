"""The plugin in a hub whose listeners ask for certificates."""

import asyncio
import base64
import datetime
import imaplib
import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.testing.certificate import self_signed
from hub.testing.running import RunningHub, running_hub

ALICE, BOB = "alice@example.test", "bob@example.test"
DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Signed:
    """A certificate and its key in one file, and its fingerprint."""

    file: Path
    fingerprint: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def sign(folder: Path, name: str, *emails: str, by: "Signed | None" = None) -> Signed:
    """A certificate for mail addresses; without `by` an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if emails:
        names = x509.SubjectAlternativeName([x509.RFC822Name(each) for each in emails])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    file = folder / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return Signed(file, certificate.fingerprint(hashes.SHA256()).hex(":").upper(), certificate, key)


def hub_with(folder: Path, authority: Signed, **settings: object) -> AbstractAsyncContextManager[RunningHub]:
    certificate, key = self_signed(folder)
    doors = {
        protocol: {"protocol": protocol, "bind": ["127.0.0.1:0"], "client_ca": str(authority.file)}
        for protocol in ("submission", "imaps")
    }
    tables = {
        "tls": {"certificate": str(certificate), "key": str(key)},
        "listeners": doors,
        "plugins": {"auth-certificate": settings},
    }
    return running_hub(folder, plugins=["auth-certificate"], tables=tables)


def showing(signed: Signed | None) -> ssl.SSLContext:
    """A client with a certificate, or without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if signed is not None:
        context.load_cert_chain(signed.file)
    return context


def smtp(port: int, signed: Signed | None, username: str) -> tuple[bool, int]:
    """Whether EXTERNAL is offered, and the reply to it."""
    with smtplib.SMTP("127.0.0.1", port, "client.example.test") as client:
        client.starttls(context=showing(signed))
        client.ehlo()
        offered = "EXTERNAL" in client.esmtp_features.get("auth", "").split()
        response = base64.b64encode(username.encode()).decode() or "="
        return offered, client.docmd("AUTH", f"EXTERNAL {response}")[0]


def imap(port: int, signed: Signed | None, username: str) -> bool:
    """Whether it logs in."""
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=showing(signed)) as client:
        try:
            return client.authenticate("EXTERNAL", lambda challenge: username.encode())[0] == "OK"
        except imaplib.IMAP4.error:
            return False


async def asked(talk: Callable[..., object], *arguments: object) -> object:
    return await asyncio.to_thread(talk, *arguments)


@pytest.mark.proves(
    "authentication: a client certificate in place of a password (SASL EXTERNAL), in SMTP and IMAP"
)
async def test_a_certificate_logs_in_whom_it_names(tmp_path: Path) -> None:
    authority = sign(tmp_path, "authority")
    alice = sign(tmp_path, "alice", "nobody@example.test", ALICE, by=authority)
    stranger = sign(tmp_path, "stranger", "someone@example.test", by=authority)
    async with hub_with(tmp_path, authority) as hub:
        submission, imaps = hub.port("submission"), hub.port("imaps")
        for username, code in ((ALICE, 235), ("", 235), (BOB, 535), ("nobody@example.test", 535)):
            assert await asked(smtp, submission, alice, username) == (True, code)
            assert await asked(imap, imaps, alice, username) is (code == 235)
        assert await asked(smtp, submission, stranger, "") == (True, 535)
        assert await asked(smtp, submission, None, ALICE) == (False, 504)
        assert await asked(imap, imaps, None, ALICE) is False


async def test_a_fingerprint_counts_in_place_of_the_names(tmp_path: Path) -> None:
    authority = sign(tmp_path, "authority")
    alice = sign(tmp_path, "alice", ALICE, by=authority)
    other = sign(tmp_path, "other", ALICE, by=authority)
    async with hub_with(
        tmp_path, authority, emails=False, fingerprints={alice.fingerprint.lower(): BOB}
    ) as hub:
        assert await asked(smtp, hub.port("submission"), alice, BOB) == (True, 235)
        assert await asked(smtp, hub.port("submission"), alice, ALICE) == (True, 535)
        assert await asked(smtp, hub.port("submission"), other, ALICE) == (True, 535)


async def test_a_certificate_of_another_authority_ends_the_handshake(tmp_path: Path) -> None:
    authority, another = sign(tmp_path, "authority"), sign(tmp_path, "another")
    forged = sign(tmp_path, "forged", ALICE, by=another)
    async with hub_with(tmp_path, authority) as hub:
        with pytest.raises(OSError, match=r"unknown ca|unexpectedly closed|reset|EOF"):
            await asked(smtp, hub.port("submission"), forged, ALICE)


def revoking(authority: Signed, *revoked: Signed, ends: datetime.timedelta = DAY) -> bytes:
    """Its revocation list."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - 2 * DAY)
        .next_update(now + ends)
    )
    for each in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - DAY).build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


REFUSED = r"revoked|expired|unknown ca|certificate|unexpectedly closed|reset|EOF"


@pytest.mark.proves("authentication: a client certificate that its issuer has revoked logs nobody in")
async def test_a_revoked_certificate_ends_the_handshake(tmp_path: Path) -> None:
    authority = sign(tmp_path, "authority")
    alice, bob = sign(tmp_path, "alice", ALICE, by=authority), sign(tmp_path, "bob", BOB, by=authority)
    alone = authority.file.read_bytes()
    async with hub_with(tmp_path, authority) as hub:
        submission = hub.port("submission")

        async def save(*lists: bytes) -> None:
            authority.file.write_bytes(b"".join((alone, *lists)))
            await hub.reload()

        assert await asked(smtp, submission, alice, ALICE) == (True, 235)
        await save(revoking(authority, alice))
        with pytest.raises(OSError, match=REFUSED):
            await asked(smtp, submission, alice, ALICE)
        assert await asked(smtp, submission, bob, BOB) == (True, 235)
        assert await asked(smtp, submission, None, BOB) == (False, 504)
        await save(revoking(authority, alice, ends=-DAY))
        with pytest.raises(OSError, match=REFUSED):
            await asked(smtp, submission, bob, BOB)
        await save()
        assert await asked(smtp, submission, alice, ALICE) == (True, 235)


async def test_a_session_of_before_is_not_resumed(tmp_path: Path) -> None:
    authority = sign(tmp_path, "authority")
    alice = sign(tmp_path, "alice", ALICE, by=authority)
    context = showing(alice)

    def talk(port: int, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool, str]:
        """The session, whether it was resumed, and the first line."""
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            context.wrap_socket(plain, session=session) as wrapped,
        ):
            greeting = wrapped.recv(1000).decode()
            if not greeting:
                raise EOFError("EOF")
            return wrapped.session, bool(wrapped.session_reused), greeting

    async with hub_with(tmp_path, authority) as hub:
        port = hub.port("imaps")
        session, _, greeting = await asyncio.to_thread(talk, port, None)
        assert greeting.startswith("* OK")
        session, resumed, _ = await asyncio.to_thread(talk, port, session)
        assert resumed
        authority.file.write_bytes(authority.file.read_bytes() + revoking(authority, alice))
        await hub.reload()
        with pytest.raises((OSError, EOFError), match=REFUSED):
            await asyncio.to_thread(talk, port, session)


@pytest.mark.parametrize("fingerprint", ["5A:0C", "not at all"])
def test_what_is_no_fingerprint_is_refused(fingerprint: str) -> None:
    import hub_plugin_auth_certificate as plugin

    with pytest.raises(ValueError, match="is no SHA-256 fingerprint: openssl x509"):
        plugin.Settings(fingerprints={fingerprint: ALICE})
