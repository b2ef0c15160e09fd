"""A running `hub serve` with two workers, and clients that know which worker they talk to."""

from __future__ import annotations

import asyncio
import atexit
import json
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar, cast

import pytest

from hub.control import NotRunning, Refused, inquire
from hub.testing.running import running_hub
from tests.nursery import HubProcess, fork_hub

T = TypeVar("T")

HUB = Path(sys.executable).parent / "hub"
ALICE, BOB = "alice@example.test", "bob@example.test"
PATIENCE = 40.0
"""Seconds for whatever comes at all; only a test that fails waits for so long."""

_MADE: Final[dict[str, tuple[Path, Path]]] = {}
"""By what was wanted: the folder that it was made in, and a copy of that."""


async def until(what: Callable[[], Awaitable[T | None]], seconds: float = PATIENCE) -> T:
    """What it gives as soon as that is true."""
    async with asyncio.timeout(seconds):
        while not (found := await what()):
            await asyncio.sleep(0.01)
        return found


def save(path: Path, text: str) -> None:
    """As editors do: at no moment is half of it there."""
    unsaved = path.parent.parent / "unsaved"
    unsaved.write_text(text)
    unsaved.replace(path)


def lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Client:
    """Lines to and from a worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def line(self) -> str:
        """Without its end; ConnectionError at the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            if not (line := await self.reader.readline()):
                raise ConnectionResetError("the connection was closed")
        return line.decode().rstrip("\r\n")

    async def smtp(self, command: str) -> str:
        """The last line of the reply."""
        self.writer.write(command.encode() + b"\r\n")
        while re.match(r"\d\d\d-", line := await self.line()):
            pass
        return line

    async def send(self, subject: str, to: str = ALICE) -> str:
        """The reply to the message, or what refused it."""
        for command in ("EHLO client.example.test", f"MAIL FROM:<{BOB}>", f"RCPT TO:<{to}>", "DATA"):
            if (reply := await self.smtp(command))[:1] not in ("2", "3"):
                return reply
        return await self.smtp(f"Subject: {subject}\r\n\r\nwords\r\n.")

    async def imap(self, command: str) -> list[str]:
        """All lines up to the tagged one."""
        self.writer.write(b"a " + command.encode() + b"\r\n")
        lines = [await self.line()]
        while not lines[-1].startswith("a "):
            lines.append(await self.line())
        assert lines[-1].startswith("a OK"), lines
        return lines


@dataclass
class Crew:
    """A running `hub serve`."""

    folder: Path
    process: HubProcess

    @property
    def control(self) -> Path:
        return self.folder / "data" / "control.sock"

    async def ask(self, verb: str) -> Mapping[str, object]:
        return cast("Mapping[str, object]", await inquire(self.control, verb, timeout=PATIENCE))

    async def workers(self) -> list[dict[str, int]]:
        return cast("list[dict[str, int]]", (await self.ask("status")).get("workers", []))

    async def pids(self) -> list[int]:
        return [worker["pid"] for worker in await self.workers()]

    async def all_serve(self) -> bool:
        with suppress(NotRunning, Refused):
            return all(cast(object, each["state"]) == "serves" for each in await self.workers())
        return False

    async def port(self, listener: str) -> int:
        listeners = cast("list[dict[str, str]]", (await self.ask("status"))["listeners"])
        return next(int(each["address"].rpartition(":")[2]) for each in listeners if each["name"] == listener)

    async def sessions(self, worker: int) -> int:
        path = self.folder / "data" / f"worker-{worker}.sock"
        return cast("dict[str, int]", await inquire(path, "status", timeout=PATIENCE))["sessions"]

    @asynccontextmanager
    async def connected(self, worker: int, listener: str = "smtp") -> AsyncIterator[Client]:
        """A greeted client of this worker: the kernel chooses one, so connect until it is the right one."""
        port = await self.port(listener)
        async with AsyncExitStack() as stack:
            for _ in range(64):
                before = await self.sessions(worker)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                stack.callback(writer.close)
                client = Client(reader, writer)
                assert re.match(r"220 |\* OK |\+OK ", await client.line())
                if await self.sessions(worker) > before:
                    yield client
                    return
        pytest.fail(f"no connection reaches worker {worker}")

    async def subjects(self, mailbox: str = "INBOX") -> Counter[str]:
        """What lies in a mailbox of Alice's."""
        reader, writer = await asyncio.open_connection("127.0.0.1", await self.port("imap"))
        client = Client(reader, writer)
        await client.line()
        await client.imap(f"LOGIN {ALICE} demo")
        await client.imap(f"EXAMINE {mailbox}")
        lines = await client.imap("UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        writer.close()
        return Counter(line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: "))

    def log(self, event: str) -> list[dict[str, object]]:
        """The lines about an event, oldest first."""
        lines = (self.folder / "log").read_text().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in said if line["event"] == event]

    async def verdicts(self) -> list[str]:
        """The reply code to a message through each worker."""
        replies = []
        for worker in range(2):
            async with self.connected(worker) as client:
                replies.append((await client.send("verdict"))[:3])
        return replies


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    plugins: Mapping[str, str] = MappingProxyType({}),
    tables: Mapping[str, object] = MappingProxyType({}),
    enabled: Sequence[str] = (),
    **settings: object,
) -> AsyncIterator[Crew]:
    """Two workers on free ports; what they log is in `log`.

    plugins: file name → text, in the watched folder. tables: more of the configuration. enabled: installed
    plugins besides the drivers. settings: of `[hub]`.
    """
    own = cast("Mapping[str, object]", tables.get("hub", {}))
    tables = {**tables, "hub": {"workers": 2, **own, **settings}, "log": {"format": "json"}}
    await _make(folder, enabled, tables)
    for name, text in plugins.items():
        (folder / "plugins.d" / name).write_text(text)
    async with started(folder) as crew:
        yield crew


async def _make(folder: Path, enabled: Sequence[str], tables: Mapping[str, object]) -> None:
    """The configuration, the store and the accounts: what was made before is copied."""
    wanted = repr((enabled, tables))
    if wanted not in _MADE:
        async with running_hub(folder, plugins=enabled, tables=tables, accounts=(ALICE, BOB)):
            pass
        kept = Path(tempfile.mkdtemp(prefix="hub-crew-"))
        atexit.register(shutil.rmtree, kept)
        _MADE[wanted] = folder, shutil.copytree(folder, kept / "made")
        return
    made_in, kept = _MADE[wanted]
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    config = folder / "hub.toml"
    config.write_text(config.read_text().replace(str(made_in), str(folder)))


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Crew]:
    process = HubProcess(fork_hub("-c", folder / "hub.toml", "serve", log=folder / "log", folder=folder))
    crew = Crew(folder, process)
    try:
        await until(crew.all_serve)
        yield crew
    except BaseException:
        sys.stderr.write((folder / "log").read_text())
        raise
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            raise
