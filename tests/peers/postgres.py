"""A real PostgreSQL for the tests of every plugin: started at its first use, stopped with the session."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from hub.testing.ports import free_port

_USER: Final = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
_SECONDS: Final = 60.0
_AT_ONCE: Final = 50
"""Schemas that are made together: most of what one costs is the client's process and its connection."""


def _programs() -> Path | None:
    """Where the newest installed server has its programs."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3].partition(".")[0]),
    )
    return found[-1].parent if found else None


class PostgresServer:
    """A server with a data folder of its own; may be killed and started again on the same port."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        # Another collation than the octets' order, so that nothing relies on it.
        locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "hub", "--no-sync", *locale)
        self.port = (
            free_port()
        )  # as late as can be: making the data takes seconds, in which others take ports

    def start(self) -> None:
        """Returns when it answers."""
        options = f"listen_addresses=127.0.0.1 port={self.port} unix_socket_directories={self._folder}"
        command: list[str | Path] = [self._programs / "postgres", "-D", self._folder / "data"]
        # Whoever kills the server, and not the machine, finds all that it has written without any sync.
        for option in (*options.split(), "max_connections=200", "fsync=off", "full_page_writes=off"):
            command += ["-c", option]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=_USER, group=_USER, stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + _SECONDS
        ready: list[str | Path] = [
            self._programs / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends all connections and writes everything out, SIGQUIT only ends; SIGKILL is a crash."""
        if self._process is None:
            return
        if how is signal.SIGKILL:
            # One begun meanwhile would outlive the server, and its memory keep another from being started.
            self._process.send_signal(signal.SIGSTOP)
            self._kill_children(self._process.pid)
        self._process.send_signal(how)
        self._process.wait(_SECONDS)
        self._process = None

    def new_schema(self) -> str:
        """The URL of a place without tables: a schema, for a database is a thousand files."""
        if self._schemas % _AT_ONCE == 0:
            more = range(self._schemas, self._schemas + _AT_ONCE)
            self.sql(";".join(f"CREATE SCHEMA hub{number}" for number in more))
        name = f"hub{self._schemas}"
        self._schemas += 1
        return f"postgresql://hub:secret@127.0.0.1:{self.port}/postgres?search_path={name}"

    def sql(self, statement: str) -> str:
        """Run one statement; its rows as psql prints them unadorned."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "hub", "-d", "postgres"]
        return self._run("psql", *where, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [self._programs / program, *arguments],
            user=_USER,
            group=_USER,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @staticmethod
    def _kill_children(parent: int) -> None:
        """Those of its connections would finish what they are doing; when this returns they are gone."""
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with suppress(ProcessLookupError):
                descriptor = os.pidfd_open(int(child))
                try:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [], _SECONDS)
                finally:
                    os.close(descriptor)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; make peers does it")
    folder = Path(tempfile.mkdtemp(prefix="hub-postgres-"))  # pytest's own folder is closed to other users
    if _USER is not None:
        shutil.chown(folder, _USER, _USER)
    try:
        server = PostgresServer(programs, folder)
        server.start()
        yield server
        server.stop(signal.SIGQUIT)  # nothing of it is kept
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """Of a test's own."""
    return postgres.new_schema()
