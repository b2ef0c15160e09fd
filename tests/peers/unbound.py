"""A real resolver on loopback that validates, unbound."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from hub.testing.ports import free_port
from tests.peers.knot import Signed

PROGRAM = shutil.which("unbound", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

needs_unbound = pytest.mark.skipif(
    PROGRAM is None, reason="no unbound here: tests/peers/install.sh installs it"
)


@contextmanager
def validating(signed: Signed) -> Iterator[str]:
    """Ask that server and believe those keys; gives `address:port`."""
    assert PROGRAM is not None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="unbound-") as name:
        folder = Path(name)
        anchors = "".join(f'  trust-anchor: "{each}"\n' for each in signed.anchors)
        (folder / "unbound.conf").write_text(
            f"server:\n  interface: 127.0.0.1@{port}\n  do-ip6: no\n  do-daemonize: no\n"
            f'  username: ""\n  chroot: ""\n  directory: "{folder}"\n  pidfile: ""\n  use-syslog: no\n'
            '  do-not-query-localhost: no\n  module-config: "validator iterator"\n  num-threads: 1\n'
            f'  local-zone: "test." nodefault\n{anchors}remote-control:\n  control-enable: no\n'
            f'forward-zone:\n  name: "."\n  forward-addr: {signed.address.replace(":", "@")}\n'
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, "-d", "-c", str(folder / "unbound.conf")], stdout=log, stderr=log
            )
        try:
            deadline = time.monotonic() + 60
            while not _answers(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.02)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with suppress(OSError, dns.exception.DNSException):
        return bool(
            dns.query.udp(dns.message.make_query(".", "SOA"), "127.0.0.1", timeout=1, port=port).answer
        )
    return False
