"""A real authority, pebble, that asks a real DNS server, Knot, whose zone takes dynamic updates."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest

from hub.testing.certificate import self_signed
from hub.testing.http_peer import Answer, Request, http_peer
from hub.testing.ports import free_port
from hub.testing.running import RunningHub, running_hub

PEBBLE = shutil.which("pebble")
KNOT = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
KEY = base64.b64encode(b"only for updates").decode()
ZONE = (
    "mail A 127.0.0.1",
    "imap A 127.0.0.1",
    "sub A 127.0.0.1",
    "_acme-challenge.sub CNAME sub.elsewhere",
)
PASSED = ("host", "content-type", "replay-nonce", "location", "link", "retry-after")
LIFETIME = 90 * 86400


class Ahead:
    """The machine's time, some seconds ahead, with short pauses."""

    seconds = 0.0

    def time(self) -> float:
        return time.time() + self.seconds

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@contextmanager
def knot(folder: Path) -> Iterator[int]:
    """The port of a server of example.test, which the key `hub` may change."""
    assert KNOT is not None
    port = free_port()
    lines = ["$TTL 1", "@ SOA ns admin 1 3600 600 86400 1", "@ NS ns", "ns A 127.0.0.1", *ZONE]
    (folder / "zone").write_text("".join(f"{line}\n" for line in lines))
    (folder / "knot.conf").write_text(
        f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {folder}/db\n  journal-db-max-size: 1M\n  timer-db-max-size: 1M\n"
        f"key:\n  - id: hub\n    algorithm: hmac-sha256\n    secret: {KEY}\n"
        "acl:\n  - id: hub\n    key: hub\n    action: update\n"
        "template:\n  - id: default\n    zonefile-sync: -1\n    journal-content: none\n"
        f"log:\n  - target: stderr\n    any: warning\n"
        f"zone:\n  - domain: example.test\n    file: {folder}/zone\n    acl: hub\n"
    )
    with process([KNOT, "-c", str(folder / "knot.conf")], folder / "knot.log", lambda: _answers(port)):
        yield port


def _answers(port: int) -> bool:
    with suppress(OSError, dns.exception.DNSException):
        query = dns.message.make_query("example.test", "SOA")
        return bool(dns.query.udp(query, "127.0.0.1", timeout=1, port=port).answer)
    return False


@contextmanager
def process(command: list[str], log: Path, ready: Callable[[], bool], **environment: str) -> Iterator[None]:
    """Run a program until the end of the block; it begins once it is ready."""
    with log.open("wb") as file:
        running = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **environment})
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        running.kill()
        running.wait()


@dataclass
class Authority:
    """pebble. http_port, tls_port: where it looks for answers. ca_file: of its own certificate."""

    folder: Path
    dns_port: int
    ca_file: Path
    key_file: Path
    port: int = field(default_factory=free_port)
    management: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    @contextmanager
    def running(self, options: Mapping[str, object] | None = None, **environment: str) -> Iterator[None]:
        """options: of its configuration. environment: `PEBBLE_…`, by which it is told to be difficult."""
        assert PEBBLE is not None
        said = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(self.ca_file),
            "privateKey": str(self.key_file),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "certificateValidityPeriod": LIFETIME,
            **(options or {}),
        }
        config = self.folder / f"pebble-{self.port}.json"
        config.write_text(json.dumps({"pebble": said}))
        command = [PEBBLE, "-config", str(config), "-dnsserver", f"127.0.0.1:{self.dns_port}"]
        usual = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        with process(command, self.folder / "pebble.log", self._is_there, **{**usual, **environment}):
            yield

    def get(self, path: str) -> bytes:
        """What its management answers."""
        with urllib.request.urlopen(
            f"https://127.0.0.1:{self.management}{path}", context=self._tls
        ) as answer:
            return bytes(answer.read())

    def status(self, serial: int) -> str:
        """Of a certificate: Valid or Revoked."""
        return str(json.loads(self.get(f"/cert-status-by-serial/{serial:x}"))["Status"])

    def forward(self, request: Request) -> Answer:
        """What it says to a request that came to somebody before it."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._tls)
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        passed = {name: answer.headers[name] for name in PASSED if name in answer.headers}
        body = answer.read()
        connection.close()
        return Answer(answer.status, passed, body)

    def trusted(self) -> ssl.SSLContext:
        """What a client has that trusts the certificates which this one issues."""
        return ssl.create_default_context(cadata=self.get("/roots/0").decode())

    @property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _is_there(self) -> bool:
        with suppress(OSError):
            return bool(self.get("/roots/0"))
        return False


@asynccontextmanager
async def before(
    pebble: Authority, instead: Callable[[Request], Answer | None]
) -> AsyncIterator[tuple[Authority, list[Request]]]:
    """The authority with somebody before it who answers some requests itself; and all that came."""

    def answer(request: Request) -> Answer:
        return instead(request) or pebble.forward(request)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pebble.ca_file, pebble.key_file)
    async with http_peer(usual=answer, tls=tls) as peer:
        port = int(peer.url.rpartition(":")[2])
        yield replace(pebble, port=port), peer.received


@pytest.fixture(scope="session")
def dns_port() -> Iterator[int]:
    """Of a Knot for all tests."""
    if KNOT is None:
        pytest.skip("no knotd here: tests/peers/install.sh installs it")
    with TemporaryDirectory(prefix="knot-") as folder, knot(Path(folder)) as port:
        yield port


@pytest.fixture(scope="session")
def unstarted(dns_port: int) -> Iterator[Authority]:
    """An authority that is down."""
    if PEBBLE is None:
        pytest.skip("no pebble here: tests/peers/install.sh installs it")
    with TemporaryDirectory(prefix="pebble-") as folder:
        yield Authority(Path(folder), dns_port, *self_signed(Path(folder)))


@pytest.fixture(scope="session")
def pebble(unstarted: Authority) -> Iterator[Authority]:
    """One that runs, and does as it should."""
    well = Authority(unstarted.folder, unstarted.dns_port, unstarted.ca_file, unstarted.key_file)
    with well.running():
        yield well


class MakeHub:
    """Hubs with the plugin, in a folder that stays between two of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Ahead()

    @asynccontextmanager
    async def __call__(
        self, authority: Authority, *, hears: tuple[str, ...] = ("http", "https"), **settings: Any
    ) -> AsyncIterator[RunningHub]:
        """hears: where it can prove that it has the names. settings: of the plugin."""
        ports = {"http": authority.http_port, "https": authority.tls_port}
        listeners = {
            "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
            **{name: {"protocol": name, "bind": [f"127.0.0.1:{ports[name]}"]} for name in hears},
        }
        said = {
            "directory": authority.url,
            "ca_file": str(authority.ca_file),
            "terms_agreed": True,
            **settings,
        }
        tables = {
            "listeners": listeners,
            "dns": {"nameservers": [f"127.0.0.1:{authority.dns_port}"]},
            "plugins": {"acme": said},
        }
        accounts = () if (self.folder / "data").exists() else ("alice@example.test",)
        async with running_hub(
            self.folder, plugins=["acme"], tables=tables, accounts=accounts, clock=self.clock
        ) as hub:
            yield hub


@pytest.fixture
def make_hub() -> Iterator[MakeHub]:
    """`async with make_hub(pebble, challenge="dns-01") as hub`."""
    with TemporaryDirectory(prefix="hub-acme-") as folder:
        yield MakeHub(Path(folder))
