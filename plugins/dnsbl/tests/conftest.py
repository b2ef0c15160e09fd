"""A real DNS server on loopback, Knot, with zones that answer as lists do."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from hub.testing.ports import free_port

PROGRAM = shutil.which("knotd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
NIBBLES = ".".join(reversed("20010db8" + "0" * 23 + "1"))
ZONES = {
    "bl.example": [
        "2.2.0.192 A 127.0.0.2",
        "3.2.0.192 A 127.0.0.4",
        "3.2.0.192 A 127.0.0.10",
        "4.2.0.192 A 127.0.0.10",
        f"{NIBBLES} A 127.0.0.2",
        # More than a datagram of 512 octets takes.
        *(f"5.2.0.192 A 127.0.1.{number}" for number in range(60)),
    ],
    "two.example": ["3.2.0.192 A 127.0.0.2", "2.2.0.192 TXT nothing"],
    "good.example": ["2.2.0.192 A 127.0.5.1", "3.2.0.192 A 127.0.5.3"],
    "quota.example": ["* A 127.255.255.254"],
    "parked.example": ["* A 198.51.100.1"],
}


class Knot:
    """The daemon, to be stopped and started again at the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        zones = ""
        for name, records in ZONES.items():
            lines = ["@ SOA ns admin 1 3600 600 86400 300", "@ NS ns", "ns A 127.0.0.1", *records]
            (folder / f"{name}.zone").write_text("$TTL 300\n" + "".join(f"{line}\n" for line in lines))
            zones += f"  - domain: {name}\n    file: {folder}/{name}.zone\n"
        (folder / "knot.conf").write_text(
            f"server:\n  listen: 127.0.0.1@{port}\n  rundir: {folder}\n"
            "  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n"
            f"database:\n  storage: {folder}/db\n  journal-db-max-size: 1M\n  timer-db-max-size: 1M\n"
            "template:\n  - id: default\n    journal-content: none\n    zonefile-sync: -1\n"
            f"log:\n  - target: stderr\n    any: warning\nzone:\n{zones}"
        )

    def start(self) -> None:
        """Return when it answers."""
        assert PROGRAM is not None
        log = self._folder / "knot.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._folder / "knot.conf")], stdout=file, stderr=file
            )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        """Whether all zones are there."""
        try:
            return all(self._knows(name) for name in ZONES)
        except (OSError, dns.exception.DNSException):
            return False

    def _knows(self, zone: str) -> bool:
        query = dns.message.make_query(zone, "SOA")
        return bool(dns.query.udp(query, "127.0.0.1", timeout=1, port=self.port).answer)


@pytest.fixture(scope="session")
def running_knot() -> Iterator[Knot]:
    """One for all tests."""
    if PROGRAM is None:
        pytest.skip("no knotd here: tests/peers/install.sh installs it")
    # A short path: its control socket lies there too.
    with tempfile.TemporaryDirectory(prefix="knot-") as folder:
        knot = Knot(Path(folder), free_port())
        try:
            knot.start()
            yield knot
        finally:
            knot.stop()


@pytest.fixture
def knot(running_knot: Knot) -> Iterator[Knot]:
    """Running when the test begins, and again when it has ended."""
    yield running_knot
    if not running_knot.answers():
        running_knot.stop()
        running_knot.start()
