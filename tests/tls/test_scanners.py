"""What scanners that others use say about a hub: nothing above `low`."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.testing.ports import free_port
from hub.testing.running import RunningHub, running_hub
from tests.crew import until
from tests.tls.authority import Authority, Issued
from tests.tls.responder import names_responder, responding

HOST = "mx.example.test"
TESTSSL, SSLSCAN = shutil.which("testssl"), shutil.which("sslscan")
BAD = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}  # WARN is what a Debian without RC4 cannot try
# Protocols, kinds of ciphers, forward secrecy, vulnerabilities, the server's defaults.
LOOKS = (
    "-p", "-s", "-f", "-U", "-S", "--fast", "--nodns", "none", "--warnings", "off", "--quiet", "--color", "0"
)  # fmt: skip


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[RunningHub]:
    """A hub with a certificate of 90 days of a test's authority, whose OCSP response it staples."""
    authority, port = Authority(folder), free_port()
    issued = authority.issue(HOST, extensions=(names_responder(port),), days=89)
    issued = Issued(issued.certificate, issued.private, issued.chain + authority.file.read_bytes())
    chain, key = issued.write(folder, "server")
    tables = {
        "listeners": {"imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]}},
        "tls": {"certificate": str(chain), "key": str(key)},
    }
    async with responding(folder, port, authority, issued), running_hub(folder, tables=tables) as hub:
        engine = hub.hub.kernel.tls

        async def is_stapled() -> bool:
            return bool(engine.is_stapled(engine.certificates.pairs[0]))  # type: ignore[attr-defined]

        await until(is_stapled)
        yield hub


async def ran(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return said.decode(errors="replace")


@pytest.mark.proves("TLS: testssl.sh and sslscan find nothing above low")
@pytest.mark.skipif(TESTSSL is None, reason="no testssl here: tests/peers/install.sh installs it")
@pytest.mark.timeout(300)
async def test_testssl_finds_nothing_above_low(tmp_path: Path) -> None:
    assert TESTSSL is not None
    async with serving(tmp_path) as hub:
        file = tmp_path / "found.json"
        where = f"{HOST}:{hub.port('imaps')}"
        said = await ran(
            TESTSSL,
            *LOOKS,
            "--ip",
            "127.0.0.1",
            "--add-ca",
            str(tmp_path / "ca.pem"),
            "--jsonfile",
            str(file),
            where,
        )
    found = json.loads(file.read_text())
    bad = [each for each in found if each["severity"] in BAD]
    assert bad == [], said
    offered = {each["id"]: each["finding"] for each in found}
    assert offered["TLS1_3"].startswith("offered")
    assert "heartbleed" in offered


@pytest.mark.skipif(SSLSCAN is None, reason="no sslscan here: tests/peers/install.sh installs it")
async def test_sslscan_finds_nothing(tmp_path: Path) -> None:
    assert SSLSCAN is not None
    async with serving(tmp_path) as hub:
        said = await ran(SSLSCAN, "--no-colour", f"--sni-name={HOST}", f"127.0.0.1:{hub.port('imaps')}")
    for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert f"{old}     disabled" in said or f"{old}   disabled" in said, said
    assert "TLSv1.2   enabled" in said
    assert "TLSv1.3   enabled" in said
    accepted = [line for line in said.splitlines() if line.startswith(("Preferred", "Accepted"))]
    assert accepted
    assert all(("GCM" in line or "CHACHA20" in line) for line in accepted), accepted
    assert "vulnerable to heartbleed" in said
    assert "not vulnerable to heartbleed" in said
