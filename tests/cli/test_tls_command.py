"""`hub tls`: what is said about handshakes that failed, and about servers and files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import smtplib
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hub.cli.main import main
from hub.services.resolver import Resolver
from hub.testing.ports import free_port
from hub.testing.running import RunningHub, running_hub
from hub.tls.probe import published
from hub.tls.visit import Target
from tests.crew import until
from tests.peers.knot import needs_knot, resolving
from tests.tls.authority import Authority, Issued
from tests.tls.chains import made
from tests.tls.responder import names_responder, responding
from tests.tls.test_explain import says

HOST = "mx.example.test"
LISTENERS = {
    "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"], "tls": "starttls"},
    "imap": {"protocol": "imap", "bind": ["127.0.0.1:0"], "tls": "starttls"},
    "imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]},
}


async def hub_tls(folder: Path, *arguments: str) -> Result:
    """Run the verb beside the hub, which goes on."""
    given = ["-c", str(folder / "hub.toml"), "tls", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, given)


@asynccontextmanager
async def serving(folder: Path, issued: Issued) -> AsyncIterator[RunningHub]:
    chain, key = issued.write(folder, "server")
    tables = {"listeners": LISTENERS, "tls": {"certificate": str(chain), "key": str(key)}}
    async with running_hub(folder, tables=tables, accounts=()) as hub:
        yield hub


def distrusting(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client, pytest.raises(ssl.SSLError):
        client.starttls(context=ssl.create_default_context())


@pytest.mark.proves("TLS: read why handshakes failed (`hub tls explain`)")
async def test_failures_of_a_running_hub_are_explained(tmp_path: Path) -> None:
    async with serving(tmp_path, Authority(tmp_path).issue(HOST)) as hub:
        assert "No handshake has failed" in (await hub_tls(tmp_path, "explain")).output
        await asyncio.to_thread(distrusting, hub.port("smtp"))
        await asyncio.to_thread(says(b"GET / HTTP/1.0\r\n\r\n"), hub.port("imaps"), tmp_path)
        await asyncio.to_thread(says(b"a STARTTLS\r\nb NOOP\r\n", reads=400), hub.port("imap"), tmp_path)

        async def are_noted() -> bool:
            return len(json.loads((await hub_tls(tmp_path, "explain", "--json")).stdout)) == 2

        await until(are_noted)
        shown = (await hub_tls(tmp_path, "explain")).output
        assert "does not trust who issued our certificate" in shown
        assert "server TLS 1.3, TLS 1.2" in shown
        assert "speaks HTTP in the clear" in shown
        failures = json.loads((await hub_tls(tmp_path, "explain", "--json", "127.0.0.1")).stdout)
        (one,) = [each for each in failures if each["session"]]
        assert one["listener"] == "smtp"
        found = json.loads((await hub_tls(tmp_path, "explain", "--json", one["session"])).stdout)
        assert found == [one]
        assert len(json.loads((await hub_tls(tmp_path, "explain", "--last", "1", "--json")).stdout)) == 1
        assert "of 192.0.2.1" in (await hub_tls(tmp_path, "explain", "192.0.2.1")).output


@pytest.mark.proves("TLS: check a server or a certificate, and read what to mend (`hub tls check`)")
async def test_a_hub_is_checked(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    issued = authority.issue(HOST, extensions=(names_responder(port),), days=90)
    issued = Issued(issued.certificate, issued.private, issued.chain + authority.file.read_bytes())
    async with responding(tmp_path, port, authority, issued), serving(tmp_path, issued) as hub:
        where = f"127.0.0.1:{hub.port('imaps')}"
        asked = ("check", where, "--name", HOST, "--trust", str(authority.file))

        async def is_stapled() -> bool:
            engine = hub.hub.kernel.tls
            return bool(engine.is_stapled(engine.certificates.pairs[0]))  # type: ignore[attr-defined]

        await until(is_stapled)
        said = await hub_tls(tmp_path, *asked)
        assert said.exit_code == 0, said.output
        assert "nothing is wrong" in said.output
        report = json.loads((await hub_tls(tmp_path, *asked, "--json")).stdout)
        assert report["ok"] is True
        facts = report["facts"]
        assert facts["versions"] == "TLS 1.2, TLS 1.3"
        assert "ECDHE-ECDSA-AES256-GCM-SHA384" in facts["ciphers"]
        assert facts["resumption"] == "yes"
        assert facts["OCSP staple"].startswith("good, until")
        assert facts["chain"] == f"{HOST} ← Test CA"
        assert "in 89 days" in facts["expires"] or "in 90 days" in facts["expires"]
        assert len(report["certificates"]) == 2
        for protocol in ("smtp", "imap"):
            where = f"127.0.0.1:{hub.port(protocol)}"
            said = await hub_tls(tmp_path, "check", where, "--starttls", protocol, *asked[2:], "--json")
            assert json.loads(said.stdout)["ok"] is True, said.output
            assert f"STARTTLS ({protocol})" in json.loads(said.stdout)["facts"]["server"]
        said = await hub_tls(tmp_path, "check", where, "--starttls", "imap", "--name", "other.example.test")
        assert said.exit_code == 1
        assert f"it is not for other.example.test, but for {HOST}" in said.output
        assert (await hub_tls(tmp_path, "check", where, "--starttls", "pop3")).exit_code == 1


@contextmanager
def old_server(folder: Path, issued: Issued, *options: str) -> Iterator[int]:
    """`openssl s_server` on a free port."""
    chain, key = issued.write(folder, "old")
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(chain), "-key", str(key)]
    environment = {**os.environ, "OPENSSL_CONF": "/dev/null"}  # Debian's own allows nothing before TLS 1.2
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stdin=subprocess.PIPE, env=environment
    ) as server:
        assert server.stdout is not None
        while b"ACCEPT" not in server.stdout.readline():
            assert server.poll() is None
        try:
            yield port
        finally:
            server.kill()


async def test_an_old_server_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").touch()
    authority = Authority(tmp_path)
    options = ("-no_tls1_3", "-cipher", "ECDHE-ECDSA-AES128-SHA:AECDH-AES128-SHA@SECLEVEL=0", "-serverpref")
    with old_server(tmp_path, authority.issue(HOST), *options) as port:
        said = await hub_tls(tmp_path, "check", f"127.0.0.1:{port}", "--name", HOST, "--json")
    report = json.loads(said.stdout)
    assert said.exit_code == 1
    kinds = {each["kind"] for each in report["faults"]}
    assert {"old-version", "no-tls-1.3", "broken-cipher"} <= kinds
    assert report["facts"]["OCSP staple"].startswith("none")


@needs_knot
async def test_records_of_dane_are_compared(tmp_path: Path) -> None:
    leaf = Authority(tmp_path).issue("localhost").certificate
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    target = Target("mx.example.test", 25, "smtp")
    for right in (True, False):
        hashed = hashlib.sha256(key if right else b"another").hexdigest()
        zone = [f"_25._tcp.mx TLSA 3 1 1 {hashed}", '_mta-sts TXT "v=STSv1; id=1"']
        with resolving({"example.test": zone}) as nameserver:
            facts, _ = await published(target, Resolver([nameserver]), [leaf])
        assert facts["MTA-STS"] == "published for example.test"
        assert ("one fits" if right else "none fits") in facts["DANE"]


async def test_a_file_is_checked(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").touch()
    root = made("Root", authority=True)
    chain, _ = made("mx", root, names=[HOST]).write(tmp_path)  # of a year that is over
    said = await hub_tls(tmp_path, "check", str(chain), "--name", "other.example.test")
    assert said.exit_code == 1
    assert "has expired" in said.output
    assert "it is not for other.example.test" in said.output
    (tmp_path / "empty.pem").touch()
    said = await hub_tls(tmp_path, "check", str(tmp_path / "empty.pem"))
    assert said.exit_code == 1
    assert "no certificate in it" in said.output


async def test_nobody_answers(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").touch()
    said = await hub_tls(tmp_path, "check", f"127.0.0.1:{free_port()}")
    assert said.exit_code == 1
    assert "refused" in said.output
    said = await hub_tls(tmp_path, "check", "host:0")
    assert "a port is a number" in said.output
    said = await hub_tls(tmp_path, "check", "a:b:c:d")
    assert said.exit_code == 1
