"""A real DNS server on loopback, Knot, with the zones that a test gives it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from hub.testing.ports import free_port

PROGRAM = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

needs_knot = pytest.mark.skipif(PROGRAM is None, reason="no knotd here: tests/peers/install.sh installs it")


@contextmanager
def resolving(zones: Mapping[str, Sequence[str]], more: str = "", acl: str = "") -> Iterator[str]:
    """Serve the zones, domain → records; gives `address:port`. more: of the configuration."""
    assert PROGRAM is not None
    port = free_port()
    # A short path: its control socket lies there too.
    with tempfile.TemporaryDirectory(prefix="knot-") as name:
        folder = Path(name)
        with (folder / "log").open("wb") as log:
            command = [PROGRAM, "-c", str(_configured(folder, port, zones, more, acl))]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not all(_knows(port, zone) for zone in zones):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.02)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def changing(zones: Mapping[str, Sequence[str]], name: str, secret: str) -> AbstractContextManager[str]:
    """The same, and who has the key may change them (RFC 2136)."""
    more = (
        f"key:\n  - id: {name}\n    algorithm: hmac-sha256\n    secret: {secret}\n"
        f"acl:\n  - id: change\n    key: {name}\n    action: update\n"
    )
    return resolving(zones, more, "    acl: change\n")


def _configured(
    folder: Path, port: int, zones: Mapping[str, Sequence[str]], more: str = "", acl: str = ""
) -> Path:
    listed = ""
    for name, records in zones.items():
        lines = ["@ SOA ns admin 1 3600 600 86400 300", "@ NS ns", "ns A 127.0.0.1", *records]
        (folder / f"{name}.zone").write_text("$TTL 300\n" + "".join(f"{line}\n" for line in lines))
        listed += f"  - domain: {name}\n    file: {folder}/{name}.zone\n{acl}"
    path = folder / "knot.conf"
    path.write_text(
        f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n"
        "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
        f"database:\n  storage: {folder}/db\n  journal-db-max-size: 1M\n  timer-db-max-size: 1M\n"
        "template:\n  - id: default\n    journal-content: none\n    zonefile-sync: -1\n"
        f"log:\n  - target: stderr\n    any: warning\n{more}zone:\n{listed}"
    )
    return path


def _knows(port: int, zone: str) -> bool:
    with suppress(OSError, dns.exception.DNSException):
        query = dns.message.make_query(zone, "SOA")
        return bool(dns.query.udp(query, "127.0.0.1", timeout=1, port=port).answer)
    return False
