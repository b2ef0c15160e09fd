"""OCSP responses: fetched from a real responder, judged, kept, and stapled."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from structlog.testing import capture_logs

from hub.testing.ports import free_port
from hub.testing.running import running_hub
from hub.tls.engine import Engine
from hub.tls.ocsp import OcspError, Subject, fetch, judge, must_staple, subject_of
from hub.tls.tickets import DAY, Tickets
from tests.crew import until
from tests.tls.authority import Authority, Issued
from tests.tls.conftest import Echo, engine_of, serving, table
from tests.tls.responder import names_responder, responding

MUST_STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])
OCSP_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])


def issue(authority: Authority, port: int, *extensions: x509.ExtensionType) -> Issued:
    """A certificate that names a responder, with the authority's behind it."""
    issued = authority.issue("mx.example.test", extensions=(names_responder(port), *extensions))
    return Issued(issued.certificate, issued.private, issued.chain + authority.file.read_bytes())


async def openssl(port: int, authority: Authority, *options: str) -> str:
    """What `openssl s_client -status` prints of a connection that is closed at once."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", "-CAfile", authority.file]
    client = await asyncio.create_subprocess_exec(
        *map(str, command), *options, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(client.communicate(b""), 20)
    return said.decode(errors="replace")


@contextmanager
def handshaken(port: int, context: SSL.Context) -> Iterator[SSL.Connection]:
    """A client that is none of ours, asking for a response, behind its handshake. For a thread."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        client = SSL.Connection(context, plain)
        client.request_ocsp()
        client.set_connect_state()
        client.do_handshake()
        yield client


async def stapled(engine: Engine) -> None:
    """Return once there is a response."""

    async def is_there() -> bool:
        return engine.is_stapled(engine.certificates.pairs[0])

    await until(is_there)


@pytest.mark.proves("TLS: OCSP responses are stapled, fetched beforehand and kept over a restart")
async def test_a_response_is_stapled_for_who_asks_for_it(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    issued = issue(authority, port)
    settings = table(tmp_path, issued)
    engine = engine_of(tmp_path, settings)
    async with responding(tmp_path, port, authority, issued):
        engine.start()
        await stapled(engine)
        await engine.close()
    restarted = engine_of(tmp_path, settings)  # the responder has gone
    async with serving(engine) as first, serving(restarted) as second:
        for each in (first, second):
            for version in ("-tls1_2", "-tls1_3"):
                said = await openssl(each, authority, version, "-servername", "mx.example.test")
                assert "OCSP Response Status: successful" in said
                assert "Cert Status: good" in said
                assert "Verify return code: 0 (ok)" in said


def test_large_data_passes_a_stapled_connection_on_either_loop(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    issued = issue(authority, port)
    settings = table(tmp_path, issued)
    data = bytes(range(256)) * 4096

    async def echoed() -> tuple[bytes, bytes]:
        engine = engine_of(tmp_path, settings)
        async with responding(tmp_path, port, authority, issued):
            engine.start()
            await stapled(engine)
        await engine.close()
        async with serving(engine) as served:
            return await asyncio.to_thread(talk, served)

    def talk(served: int) -> tuple[bytes, bytes]:
        responses: list[bytes] = []

        def keep(connection: SSL.Connection, response: bytes, data: object) -> bool:
            responses.append(response)
            return True

        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_ocsp_client_callback(keep)
        with handshaken(served, context) as client:
            got = b""
            client.sendall(data)
            while len(got) < len(data):
                got += client.recv(1 << 16)
            client.shutdown()
            with pytest.raises(SSL.ZeroReturnError):
                client.recv(1)
        return got, responses[0]

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            got, response = runner.run(echoed())
        assert got == data
        assert ocsp.load_der_ocsp_response(response).serial_number == issued.certificate.serial_number


@pytest.mark.proves("TLS: what a login is bound to is the client's own end of the same handshake")
@pytest.mark.parametrize(
    ("version", "names"),
    [
        (SSL.TLS1_3_VERSION, {"tls-exporter", "tls-server-end-point"}),
        (SSL.TLS1_2_VERSION, {"tls-server-end-point"}),
    ],
)
async def test_both_ends_of_a_handshake_know_the_same_bindings(
    tmp_path: Path, authority: Authority, version: int, names: set[str]
) -> None:
    """RFC 9266 §2 (for TLS 1.3 alone) and RFC 5929 §4.1, as a client makes them that is none of ours."""
    port = free_port()
    issued = issue(authority, port)
    engine = engine_of(tmp_path, table(tmp_path, issued), Tickets(now=lambda: time.time() + 2 * DAY))

    def bindings(served: int) -> dict[str, bytes]:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(version)
        with handshaken(served, context) as client:
            client.sendall(b"hello")
            assert client.recv(5) == b"hello"
            shown = client.get_peer_certificate(as_cryptography=True)
            assert shown is not None
            return {
                "tls-exporter": client.export_keying_material(b"EXPORTER-Channel-Binding", 32),
                "tls-server-end-point": shown.fingerprint(hashes.SHA256()),
            }

    async with responding(tmp_path, port, authority, issued):
        engine.start()
        await stapled(engine)
    await engine.close()
    async with serving(engine) as served:
        theirs = await asyncio.to_thread(bindings, served)
    ours = Echo.seen[-1]
    assert ours is not None
    assert dict(ours.bindings) == {name: theirs[name] for name in names}


async def test_starttls_is_stapled_too(tmp_path: Path, authority: Authority) -> None:
    port = free_port()
    issued = issue(authority, port)
    settings = table(tmp_path, issued)
    tls = {"certificate": str(settings.certificate), "key": str(settings.key)}
    async with (
        responding(tmp_path, port, authority, issued),
        running_hub(tmp_path, tables={"tls": tls}) as hub,
    ):

        async def is_stapled() -> bool:
            said = await openssl(hub.port("smtp"), authority, "-starttls", "smtp")
            return "Cert Status: good" in said

        await until(is_stapled)


@pytest.mark.parametrize("extensions", [(), (MUST_STAPLE,)])
async def test_a_certificate_that_is_revoked_is_told_and_nothing_is_stapled(
    tmp_path: Path, authority: Authority, extensions: tuple[x509.ExtensionType, ...]
) -> None:
    port = free_port()
    issued = issue(authority, port, *extensions)
    assert must_staple(issued.chain) is bool(extensions)
    engine = engine_of(tmp_path, table(tmp_path, issued))
    with capture_logs() as logs:
        async with responding(tmp_path, port, authority, issued, revoked=True):
            engine.start()

            async def told() -> bool:
                return any(line["event"] == "OCSP" for line in logs)

            await until(told)
        await engine.close()
    line = next(line for line in logs if line["event"] == "OCSP")
    assert "revoked" in line["reason"]
    assert ("must-staple" in line["reason"]) is bool(extensions)
    assert line["log_level"] == ("error" if extensions else "warning")
    async with serving(engine) as served:
        assert "OCSP response: no response sent" in await openssl(served, authority)


async def test_a_responder_that_is_not_there_is_said(authority: Authority) -> None:
    subject = subject_of(issue(authority, free_port()).chain)
    assert subject is not None
    with pytest.raises(OcspError, match=r"http://127\.0\.0\.1:\d+/ does not answer"):
        await fetch(subject)


def test_who_names_no_responder_is_not_asked_about(authority: Authority) -> None:
    plain = authority.issue("mx.example.test")
    assert subject_of(plain.chain + authority.file.read_bytes()) is None
    alone = authority.issue("mx.example.test", extensions=(names_responder(1),))
    assert subject_of(alone.chain) is None


@pytest.fixture
def subject(authority: Authority) -> Subject:
    """A certificate to make responses about."""
    found = subject_of(issue(authority, 1).chain)
    assert found is not None
    return found


def response(
    subject: Subject, authority: Authority, *, signed_by: Authority | None = None, days: float = 1
) -> bytes:
    """What an authority says of the certificate; days: for how long, from yesterday on."""
    now = datetime.now(UTC)
    signer = signed_by or authority
    builder = ocsp.OCSPResponseBuilder().add_response(
        subject.certificate, subject.issuer, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
        now - timedelta(days=1), now + timedelta(days=days), None, None,
    )  # fmt: skip
    named = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    return named.sign(signer.private, hashes.SHA256()).public_bytes(Encoding.DER)


def test_only_what_the_issuer_says_of_this_certificate_now_is_stapled(
    tmp_path: Path, authority: Authority, subject: Subject
) -> None:
    now = datetime.now(UTC)
    good = judge(subject, response(subject, authority), now)
    assert good.is_current(now)
    assert not good.is_due(now - timedelta(hours=1))
    assert good.is_due(now + timedelta(hours=13))
    assert not good.is_current(now + timedelta(days=2))
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    other = subject_of(issue(authority, 1).chain)
    assert other is not None
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    for der, reason in (
        (response(subject, authority, signed_by=stranger), "not signed by the certificate's issuer"),
        (response(other, authority), "about another certificate"),
        (response(subject, authority, days=-0.5), "and not now"),
        (refused.public_bytes(Encoding.DER), "refuses: try_later"),
        (b"<html>", "cannot be read"),
    ):
        with pytest.raises(OcspError, match=reason):
            judge(subject, der, now)


def test_a_delegate_of_the_issuer_may_sign(authority: Authority, subject: Subject) -> None:
    delegate = authority.issue("ocsp.example.test", extensions=(OCSP_SIGNING,))
    anybody = authority.issue("ocsp.example.test")
    now = datetime.now(UTC)

    def signed(by: Issued) -> bytes:
        builder = ocsp.OCSPResponseBuilder().add_response(
            subject.certificate, subject.issuer, hashes.SHA1(), ocsp.OCSPCertStatus.GOOD,
            now - timedelta(hours=1), now + timedelta(hours=1), None, None,
        )  # fmt: skip
        named = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate)
        answer = named.certificates([by.certificate]).sign(by.private, hashes.SHA256())
        return answer.public_bytes(Encoding.DER)

    assert judge(subject, signed(delegate), now).is_current(now)
    with pytest.raises(OcspError, match="not signed by the certificate's issuer"):
        judge(subject, signed(anybody), now)
