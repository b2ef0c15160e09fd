"""What `hub demo` prints is what a newcomer types, so the test types just that."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.testing.ports import free_port

HUB = Path(sys.executable).parent / "hub"
ROOT = Path(__file__).parents[2]


@dataclass
class Demo:
    """A running `hub demo`. said: everything that it has printed so far."""

    folder: Path
    process: asyncio.subprocess.Process
    ports: dict[str, int]
    said: str = ""

    async def until(self, pattern: str) -> re.Match[str]:
        """Read on until something matches that has not been read before; fails when the demo ends first."""
        assert self.process.stdout is not None
        unread = ""
        async with asyncio.timeout(30):
            while (found := re.search(pattern, unread, re.DOTALL)) is None:
                line = (await self.process.stdout.readline()).decode()
                assert line, self.said
                unread += line
                self.said += line
        return found

    async def run(self, command: str) -> str:
        """Type a command into a second terminal; what it prints."""
        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", command,
            cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await shell.communicate()
        return printed.decode()

    def instructions(self, word: str) -> str:
        """The indented command that the demo prints for a word of its explanation."""
        block = re.search(rf"{word}[^\n]*:\n\n((?:  [^\n]*\n|\n)+?)\n(?=\S)", self.said)
        assert block is not None, self.said
        return "".join(line[2:] + "\n" for line in block[1].splitlines())


@asynccontextmanager
async def running_demo(folder: Path) -> AsyncIterator[Demo]:
    ports = {name: free_port() for name in ("smtp", "submission", "imap", "pop3")}
    folder.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        HUB, "demo", *(f"--{name}-port={port}" for name, port in ports.items()),
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    demo = Demo(folder, process, ports)
    try:
        await demo.until(r"serving ")
        yield demo
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        demo.said += (await process.stdout.read()).decode()
        assert await process.wait() == 0, demo.said


@pytest.mark.proves("operation: `make run` starts a hub to play with and says what to type")
async def test_what_the_demo_prints_sends_and_reads_a_mail_and_brings_a_plugin_to_life(
    tmp_path: Path,
) -> None:
    async with running_demo(tmp_path) as demo:
        assert await demo.run(demo.instructions("Send a mail")) == ""
        accepted = await demo.until(r"message accepted .*? (\w{18})\n")
        assert "Subject: Hello" in await demo.run(demo.instructions("Read it"))
        hub = re.search(r"A mail's life: (.*) ID", demo.said)
        assert hub is not None
        life = await demo.run(f"{hub[1]} {accepted[1]}")
        assert re.search(r"command.*RCPT .* 250 2\.1\.5", life), life
        assert "smtp_rcpt deny-list" in life
        assert "delivery INBOX" in life

        (tmp_path / "plugins.d" / "nobody.py").write_text(demo.instructions("Your first plugin"))
        await demo.until(r"plugins reloaded .*nobody added")
        to_nobody = demo.instructions("Send a mail").replace("alice@", "nobody@")
        assert "nobody is not here" in await demo.run(to_nobody)
        (tmp_path / "plugins.d" / "nobody.py").write_text("def broken(:\n")
        await demo.until(r"reload refused +nobody\.py:1: ")
        assert "nobody is not here" in await demo.run(to_nobody)

        status = f"{HUB} -c hub-demo/hub.toml"
        assert "generation 2" in await demo.run(f"{status} status")
        assert "nobody" in await demo.run(f"{status} plugins")
        assert "nobody" in await demo.run(f"{status} hooks smtp_rcpt")
        assert "refused; generation 2 goes on" in await demo.run(f"{status} reload")
    assert "stopping" in demo.said
    (tmp_path / "plugins.d" / "nobody.py").unlink()
    async with running_demo(tmp_path) as again:
        assert "Subject: Hello" in await again.run(again.instructions("Read it")), "kept over a restart"
