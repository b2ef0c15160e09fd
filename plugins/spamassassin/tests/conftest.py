"""A real spamd in the foreground, with the packaged rules, its local tests alone and a home of its own."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.testing.ports import free_port

PROGRAM = shutil.which("spamd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
USER = "nobody"
# Written in halves, so that no filter takes this file for the test message.
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class Spamd:
    """The daemon, to be stopped and started again at the same addresses."""

    def __init__(self, folder: Path, port: int) -> None:
        self.socket = folder / "spamd.sock"
        self.port = port
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.site = site = folder / "site"
        site.mkdir()
        # The rules need these; what is beside them is the machine's.
        for plugins in glob.glob("/etc/spamassassin/*.pre"):
            shutil.copy(plugins, site)
        (site / "local.cf").write_text(f"bayes_path {folder / 'home' / 'bayes'}\n")
        home = folder / "home"
        home.mkdir()
        if os.geteuid() == 0:  # spamd judges nothing as root
            for each in (folder, site):
                os.chmod(each, 0o755)
            for each in site.iterdir():
                os.chmod(each, 0o644)
            account = pwd.getpwnam(USER)
            os.chown(home, account.pw_uid, account.pw_gid)

    def start(self) -> None:
        """Return when both answer: one on TCP, which may be taught, one on a unix socket, which may not.

        For spamd has no way to do both.
        """
        self._processes = [
            self._run("tcp", "--allow-tell", "-p", str(self.port), "-i", "127.0.0.1", "-A", "127.0.0.1"),
            self._run("unix", "--socketpath", str(self.socket), "--socketmode", "0666"),
        ]
        deadline = time.monotonic() + 60
        while not all(self.answers()):
            logs = "".join(log.read_text() for log in self._folder.glob("*.log"))
            assert all(process.poll() is None for process in self._processes), logs
            assert time.monotonic() < deadline, logs
            time.sleep(0.05)

    def _run(self, name: str, *where: str) -> subprocess.Popen[bytes]:
        assert PROGRAM is not None
        log, home, site = self._folder / f"{name}.log", self._folder / "home", self._folder / "site"
        command = [PROGRAM, "-L", "-x", "-m", "2", "-H", str(home), "--siteconfigpath", str(site)]
        command += where
        if os.geteuid() == 0:
            command += ["-u", USER]
        with log.open("ab") as file:
            return subprocess.Popen(
                [*command, "-s", "stderr"], stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )

    def stop(self) -> None:
        """End it with its children, and leave nothing listening."""
        for process in self._processes:
            process.terminate()  # killed, it would leave its children to serve on
        for process in self._processes:
            process.wait()
        self._processes = []
        self.socket.unlink(missing_ok=True)

    def answers(self) -> tuple[bool, bool]:
        """Whether it is there, on TCP and on the unix socket."""
        return (
            _answers(socket.AF_INET, ("127.0.0.1", self.port)),
            _answers(socket.AF_UNIX, str(self.socket)),
        )


def _answers(family: int, address: tuple[str, int] | str) -> bool:
    with socket.socket(family) as client:
        try:
            client.connect(address)
            client.sendall(b"PING SPAMC/1.5\r\n\r\n")
            return b"PONG" in client.recv(100)
        except OSError:
            return False


@pytest.fixture(scope="session")
def running_spamd() -> Iterator[Spamd]:
    """One for all tests; it takes a while to start."""
    if PROGRAM is None:
        pytest.skip("no spamd here: tests/peers/install.sh installs it")
    port = free_port()
    # A short path: the address of a unix socket has at most 107 octets.
    with tempfile.TemporaryDirectory(prefix="spamd-") as folder:
        spamd = Spamd(Path(folder), port)
        try:
            spamd.start()
            yield spamd
        finally:
            spamd.stop()


@pytest.fixture
def spamd(running_spamd: Spamd) -> Iterator[Spamd]:
    """Running when the test begins, and again when it has ended."""
    yield running_spamd
    if not all(running_spamd.answers()):
        running_spamd.stop()
        running_spamd.start()
