"""Clients that are wrong, and what is said about each of them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.config.tables.listeners import Listener
from hub.config.tables.tls import TlsTable
from hub.tls.explain import Explanation, Ours, explain
from hub.tls.failures import EACH_SECOND, KEPT, Failures
from tests.tls.authority import Authority
from tests.tls.conftest import engine_of, table
from tests.tls.test_hello import hello_of

Client = Callable[[int, Path], None]
HOST = "mx.example.test"


def says(octets: bytes, *, stays: bool = True, reads: int = 0) -> Client:
    """Sends octets, and then waits for the end, or reads so much and hangs up."""

    def run(port: int, _folder: Path) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, suppress(OSError):
            plain.sendall(octets)
            if reads:
                plain.recv(reads)
            while stays and plain.recv(4096):
                pass

    return run


def openssl(*options: str) -> Client:
    """`openssl s_client`; CA stands for the authority's file."""

    def run(port: int, folder: Path) -> None:
        given = [str(folder / "ca.pem") if each == "CA" else each for each in options]
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *given]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)

    return run


def python(name: str | None, *, trusts: bool = True) -> Client:
    """A client that checks, and says so in its alert."""

    def run(port: int, folder: Path) -> None:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem") if trusts else None)
        context.check_hostname = name is not None
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain, suppress(ssl.SSLError):
            context.wrap_socket(plain, server_hostname=name)

    return run


@dataclass(frozen=True)
class Bad:
    """A client, and what has to be said of it. patience: of the server, in seconds."""

    client: Client
    kind: str
    side: str
    why: str
    change: str
    patience: float = 20


HELLO = hello_of()
SSL3 = b"\x16\3\0\0\x2d\1\0\0\x29\3\0" + bytes(32) + b"\0\0\2\0\x2f\1\0"
CLIENTS = {
    "speaks plain SMTP": Bad(
        says(b"EHLO client.example\r\n"), "plain", "client", "speaks SMTP in the clear", "STARTTLS is spoken"
    ),
    "speaks plain IMAP": Bad(
        says(b"a1 CAPABILITY\r\n"), "plain", "client", "speaks IMAP in the clear", "STARTTLS is spoken"
    ),
    "speaks HTTP": Bad(says(b"GET / HTTP/1.1\r\n\r\n"), "plain", "client", "speaks HTTP", "https://"),
    "waits for a greeting": Bad(
        says(b""), "waits", "client", "has said nothing: it waits for a greeting", "SSL/TLS", patience=0.2
    ),
    "only looks whether the port is open": Bad(
        says(b"", stays=False), "left", "nobody", "without a word, as monitors", "nothing"
    ),
    "speaks TLS 1.0 at most": Bad(
        openssl("-tls1", "-cipher", "ALL@SECLEVEL=0"), "version", "client",
        "speaks at most TLS 1.0, and we at least TLS 1.2", "update the client",
    ),
    "speaks TLS 1.1 at most": Bad(
        openssl("-tls1_1", "-cipher", "ALL@SECLEVEL=0"), "version", "client", "at most TLS 1.1", "update"
    ),
    "speaks SSL 3": Bad(says(SSL3), "version", "client", "at most SSL 3", "update the client"),
    "falls back": Bad(
        openssl("-tls1_2", "-fallback_scsv"), "fallback", "client", "older than both sides speak", "first try"
    ),
    "speaks SSL 2": Bad(
        says(b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x07\x00\xc0" + bytes(31)), "version",
        "client", "at most SSL 2", "update the client",
    ),
    "offers no common cipher": Bad(
        openssl("-tls1_2", "-cipher", "AES128-SHA"), "cipher", "client", "no cipher of TLS 1.2 that we take",
        "update the client",
    ),
    "offers no common group": Bad(
        openssl("-tls1_2", "-groups", "brainpoolP256r1"), "group", "client", "but brainpoolP256r1", "x25519"
    ),
    "takes no signature of today": Bad(
        openssl("-tls1_2", "-sigalgs", "ECDSA+SHA1", "-cipher", "ALL@SECLEVEL=0"),
        "signature", "either", "our ECDSA key", "an RSA key",
    ),
    "takes no ECDSA signature in TLS 1.3": Bad(
        openssl("-tls1_3", "-sigalgs", "RSA-PSS+SHA256"), "signature", "either", "our ECDSA key",
        "ecdsa_secp256r1_sha256, or add a certificate with an RSA key",
    ),
    "offers only ciphers for RSA": Bad(
        openssl("-tls1_2", "-cipher", "ECDHE+aRSA"), "certificate-kind", "either",
        "only ciphers for RSA certificates, and ours is ECDSA", "add a certificate with an RSA key",
    ),
    "does not trust the authority": Bad(
        python(HOST, trusts=False), "untrusted", "either", "does not trust who issued our certificate",
        "give the client the authority's certificate",
    ),
    "has a wrong clock": Bad(
        openssl("-CAfile", "CA", "-verify_return_error", "-attime", str(int(time.time()) + 10**9)), "expired",
        "client", "has expired (its alert: certificate_expired); it has not", "clock",
    ),
    "asks for another name": Bad(
        python("other.example.test"), "name", "either",
        f"it asked for other.example.test, and the certificate is for {HOST}", "add a certificate for other.",
    ),
    "hangs up after the certificate": Bad(
        says(HELLO, stays=False, reads=4096), "hung-up", "client", "did not say why", "the client's log"
    ),
    "says nothing after the certificate": Bad(
        says(HELLO), "stalled", "either", "nothing since it was sent our certificate", "MTU", patience=0.3
    ),
    "hangs up in its hello": Bad(
        says(HELLO[:100], stays=False), "cut-off", "client", "in the middle of its hello", "firewall"
    ),
    "stops in its hello": Bad(
        says(HELLO[:100]), "stalled", "either", "did not end it in time", "MTU", patience=0.3
    ),
    "sends garbage": Bad(says(bytes(range(200, 250))), "garbage", "client", "is no TLS", "what connects"),
    "sends a malformed hello": Bad(
        says(b"\x16\x03\x01\0\x05\x01\0\0\x01\x03"), "garbage", "client", "is malformed", "what connects"
    ),
    "speaks another protocol": Bad(
        openssl("-alpn", "h2"), "protocol", "client", "wants to speak h2 (ALPN), and this port speaks imap",
        "the port of its protocol",
    ),
}  # fmt: skip


async def explained(folder: Path, bad: Bad, settings: TlsTable) -> dict[str, object]:
    """What an engine notes that such a client has come to."""
    engine = engine_of(folder, settings)
    engine.settings = settings.model_copy(update={"handshake_timeout": bad.patience})
    listener = Listener.model_validate({"protocol": "imaps", "bind": ["127.0.0.1:0"]})
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        coming = asyncio.to_thread(bad.client, listening.getsockname()[1], folder)
        client = asyncio.create_task(coming)
        accepted, peer = await loop.sock_accept(listening)
        with pytest.raises(OSError) as failed:  # noqa: PT011 - of any kind
            await engine.accept(accepted, asyncio.Protocol, listener)
        why = engine.failed(failed.value, listener, name="imaps", peer=peer)
        await client
    (noted,) = engine.failures.last()
    assert noted["client"] == f"127.0.0.1:{peer[1]}"
    found = noted["explanation"]
    assert isinstance(found, dict)
    assert found["why"] == why
    return found


@pytest.mark.proves("TLS: read why a handshake failed, what both sides offered, and what to change")
@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that(name: str, tmp_path: Path) -> None:
    bad = CLIENTS[name]
    settings = table(tmp_path, Authority(tmp_path).issue(HOST))
    with capture_logs() as logs:
        found = await explained(tmp_path, bad, settings)
    assert (found["kind"], found["side"]) == (bad.kind, bad.side), found
    assert bad.why in str(found["why"])
    assert bad.change in str(found["change"])
    (line,) = (each for each in logs if each["event"] == "a TLS handshake failed")
    assert (line["reason"], line["change"]) == (found["why"], found["change"])


async def test_a_client_that_is_right_about_an_expired_certificate(tmp_path: Path) -> None:
    settings = table(tmp_path, Authority(tmp_path).issue(HOST, days=-1))
    found = await explained(tmp_path, Bad(python(HOST), "expired", "server", "", ""), settings)
    assert (found["kind"], found["side"]) == ("expired", "server")
    assert "it has expired on" in str(found["why"])
    assert found["change"] == "renew it"


async def test_both_offers_are_shown(tmp_path: Path) -> None:
    settings = table(tmp_path, Authority(tmp_path).issue(HOST))
    found = await explained(tmp_path, CLIENTS["offers no common cipher"], settings)
    offered, allowed = found["offered"], found["allowed"]
    assert isinstance(offered, dict)
    assert isinstance(allowed, dict)
    assert offered["ciphers"][0] == "AES128-SHA"
    assert list(offered["versions"]) == ["TLS 1.2"]
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in allowed["ciphers"]
    assert list(allowed["name"]) == [HOST]
    assert list(allowed["protocols"]) == ["imap"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_the_certificate_that_is_asked_for(tmp_path: Path, version: ssl.TLSVersion) -> None:
    chain, key = Authority(tmp_path).issue(HOST).write(tmp_path, "server")
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain, key)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client_context.maximum_version = version
    sent, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(answered, sent, server_hostname=HOST)
    server = server_context.wrap_bio(sent, answered, server_side=True)
    octets, failed = b"", None
    for side in (client, server) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            if not octets:
                octets = sent.read()
                sent.write(octets)
        except ssl.SSLError as error:
            failed = failed or error
    assert failed is not None
    found = explain(octets, failed, lambda name: Ours(names=(HOST,)))
    assert (found.kind, found.side) == ("client-certificate", "client")
    assert "showed no certificate of its own" in found.why


def note(failures: Failures, port: int, session: str = "") -> str:
    return failures.note(
        b"", ConnectionResetError(), lambda name: Ours(), peer=("::1", port), listener="l", session=session
    )


def test_a_flood_is_neither_explained_nor_logged_in_full() -> None:
    now = 1000.0
    failures = Failures(lambda: now)
    with capture_logs() as logs:
        for port in range(1000):
            note(failures, port)
        assert len(failures.last()) == EACH_SECOND
        assert len(logs) == 1
        for _ in range(100):
            now += 1
            for port in range(EACH_SECOND):
                note(failures, port)
    assert len(failures.last()) == KEPT
    assert len(logs) == 2
    assert logs[1]["more_of_this_kind"] > EACH_SECOND


def test_they_are_found_by_client_and_session() -> None:
    failures = Failures()
    note(failures, 1, "one")
    note(failures, 2, "two")
    assert [each["client"] for each in failures.last()] == ["[::1]:1", "[::1]:2"]
    assert [each["session"] for each in failures.last(1)] == ["two"]
    assert [each["client"] for each in failures.last(who="one")] == ["[::1]:1"]
    assert len(failures.last(who="::1")) == 2
    assert [each["session"] for each in failures.last(who="[::1]:2")] == ["two"]
    assert failures.last(0) == []
    assert failures.last(who="::2") == []


def test_what_nobody_has_foreseen_is_said_as_openssl_says_it() -> None:
    found = explain(HELLO, ssl.SSLError("no idea"), lambda name: Ours(ciphers=(0x1302,)))
    assert isinstance(found, Explanation)
    assert found.kind == "other"
    assert "no idea" in found.why
