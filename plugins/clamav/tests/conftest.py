"""A real clamd in the foreground, with a database of one line that knows the EICAR test file."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.testing.ports import free_port

# Written in halves, so that no scanner takes this file for the test file.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"
STREAM_MAX = 1 << 20
PROGRAM = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


class Clamd:
    """The daemon, to be stopped and started again at the same addresses."""

    def __init__(self, folder: Path, port: int) -> None:
        self.socket = folder / "clamd.sock"
        self.port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        database = folder / "database"
        database.mkdir()
        (database / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
        (folder / "clamd.conf").write_text(
            f"Foreground yes\nDatabaseDirectory {database}\nLocalSocket {self.socket}\nTCPAddr 127.0.0.1\n"
            f"TCPAddr ::1\nTCPSocket {port}\nStreamMaxLength {STREAM_MAX}\nLogFile {folder / 'clamd.log'}\n"
            "LogClean yes\nLogFileMaxSize 0\n"
        )

    def start(self) -> None:
        """Return when it answers."""
        assert PROGRAM is not None
        self._process = subprocess.Popen(
            [PROGRAM, "--config-file", str(self._folder / "clamd.conf")], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self.answers():
            assert self._process.poll() is None, (self._folder / "clamd.log").read_text()
            assert time.monotonic() < deadline, "clamd does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as a crash would, and leave nothing listening."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)

    def scans(self) -> int:
        """How many messages it has judged since it was first started."""
        log = (self._folder / "clamd.log").read_text()
        return log.count("): OK\n") + log.count(" FOUND\n")

    def answers(self) -> bool:
        """Whether it is there."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket))
                client.sendall(b"zPING\0")
                return client.recv(5) == b"PONG\0"
            except OSError:
                return False


@contextmanager
def _running() -> Iterator[Clamd]:
    if PROGRAM is None:
        pytest.skip("no clamd here: tests/peers/install.sh installs it")
    port = free_port()
    # A short path: the address of a unix socket has at most 107 octets.
    with tempfile.TemporaryDirectory(prefix="clamd-") as folder:
        clamd = Clamd(Path(folder), port)
        clamd.start()
        yield clamd
        clamd.stop()


@pytest.fixture(scope="session")
def running_clamd() -> Iterator[Clamd]:
    """One for all tests; it takes a while to start."""
    with _running() as clamd:
        yield clamd


@pytest.fixture
def second_clamd() -> Iterator[Clamd]:
    """Another one."""
    with _running() as clamd:
        yield clamd


@pytest.fixture
def clamd(running_clamd: Clamd) -> Iterator[Clamd]:
    """Running when the test begins, and again when it has ended."""
    yield running_clamd
    if not running_clamd.answers():
        running_clamd.stop()
        running_clamd.start()
