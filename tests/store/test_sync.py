"""Before each 250 all that was written for it was synced: seen in the system's own calls."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.crew import Client
from tests.store.killable import killable

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

CALLS = "openat,rename,unlink,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fdatasync,fsync,sendto,sendmsg"
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)")
_FD = re.compile(r"\d+<(/[^>]*)>")
_NAME = re.compile(r'"([^"]*)"')


class Unsynced:
    """What of the store's files is not on the disk yet, read call by call."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._begun: dict[str, str] = {}
        self.paths: set[str] = set()
        self.seen: set[str] = set()

    def take(self, line: str) -> bool:
        """Note what a call does, at its end; whether it is an answered message."""
        match = _LINE.match(line)
        if match is None:
            return False
        thread, call, form, rest = match.groups()
        if form == "(" and rest.endswith("<unfinished ...>"):
            self._begun[thread] = rest
            if call in ("fdatasync", "fsync", "openat", "rename"):
                return False
        elif form != "(":
            rest = self._begun.pop(thread, "") + rest
            if call in ("write", "writev", "sendto", "sendmsg", "pwrite64", "pwritev", "pwritev2"):
                return False  # noted when it began
        return self._note(call, rest)

    def _note(self, call: str, rest: str) -> bool:
        if call in ("fdatasync", "fsync"):
            if " = 0" in rest and (found := _FD.match(rest)):
                self.paths.discard(found[1])
                self.seen.add(found[1])
        elif call == "openat":
            if "O_CREAT" in rest and (name := _NAME.search(rest)):
                self._dirty(os.path.dirname(name[1]))
        elif call == "rename":
            self._dirty(os.path.dirname(_NAME.findall(rest)[1]))
        elif found := _FD.match(rest):
            self._dirty(found[1])
        return "250 2.0.0 delivered as" in rest and call in ("write", "writev", "sendto", "sendmsg")

    def _dirty(self, path: str) -> None:
        # The index of the write-ahead log is memory that processes share, made anew after a crash.
        if path.startswith(self._folder) and not path.endswith(("-shm", ".lock")):
            self.paths.add(path)


@pytest.mark.proves("store: every 250 has a sync of each file and folder that was written for it before it")
async def test_whatever_was_written_for_a_message_is_synced_before_its_250(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    async with killable(tmp_path) as hub:
        await hub.start()
        strace = await asyncio.create_subprocess_exec(
            *("strace", "-f", "-y", "-s", "64", "-o", calls, "-e", f"trace={CALLS}", "-p", str(hub.pid)),
            stderr=asyncio.subprocess.PIPE,
        )
        assert strace.stderr is not None
        assert b"attached" in await strace.stderr.readline()
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
        client = Client(reader, writer)
        await client.line()
        await client.smtp("EHLO client.example.test")
        # New segments are opened on the way, and what is large gets a file of its own.
        for size in (2_000, 60_000, 60_000, 400_000, 2_000, 60_000, 60_000, 60_000, 1_000_000, 2_000):
            for command in ("MAIL FROM:<a@b.example>", "RCPT TO:<alice@example.test>", "DATA"):
                await client.smtp(command)
            writer.write(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (size // 72))
            await client.smtp(".")
        writer.close()
        strace.terminate()
        await strace.wait()
    unsynced = Unsynced(tmp_path / "data" / "plugins")
    answers: list[set[str]] = []
    for line in calls.read_text(errors="replace").splitlines():
        if unsynced.take(line):
            answers.append(set(unsynced.paths))
    assert answers == [set()] * 10
    names = {os.path.basename(path) for path in unsynced.seen}
    assert {name.rpartition(".")[2] for name in names} >= {"seg", "part", "sqlite-wal", "blobs-segment"}
