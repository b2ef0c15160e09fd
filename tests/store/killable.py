"""A real hub that may be killed at any moment and is soon there again over the same store."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import pytest

from hub.cli.checking import check
from hub.cli.opening import services
from hub.config.load import Config, load
from hub.mail.login import AccountRef
from hub.services.blobs import BlobGone, no_progress
from hub.services.storage import Item
from hub.testing.load import HEADER
from hub.testing.ports import free_port
from hub.testing.running import running_hub
from tests.crew import lives, until
from tests.nursery import fork_hub

ALICE = "alice@example.test"


class Killable:
    """The hub, its store and its one account; `start` it first.

    port: of its SMTP listener, the same every time.
    """

    def __init__(self, folder: Path, port: int, config: Config, account: AccountRef) -> None:
        self.folder, self.port, self.config, self.account = folder, port, config, account
        self.log = folder / "log"
        self.pid = 0

    def run(self, *words: str) -> int:
        """Another `hub …` beside it; its process id."""
        return fork_hub("-c", self.folder / "hub.toml", *words, log=self.log, folder=self.folder).pid

    async def start(self) -> None:
        """Serve; it greets when this returns."""
        self.pid = self.run("serve")
        try:
            await until(self._greets, 60)
        except TimeoutError:
            pytest.fail(self.log.read_text()[-5000:])

    async def _greets(self) -> bool:
        if not lives(self.pid):
            pytest.fail("the hub did not start:\n" + self.log.read_text()[-5000:])
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                return (await reader.read(4)) == b"220 "
            finally:
                writer.close()
        return False

    async def kill(self) -> None:
        """SIGKILL to all its processes at once."""
        workers = self.workers()
        await kill_group(self.pid)
        for worker in workers:
            await ended(worker)

    async def forget_leases(self, of: str = "hub") -> None:
        """As if half a minute had passed since it was killed: whoever comes does what one worker does.

        of: the hub or a plugin.
        """
        async with services(self.config) as opened:
            kv = opened.storage.kv(of)
            for key, _ in await kv.scan("lease/"):
                await kv.set(key, None)

    def workers(self) -> list[int]:
        """The processes under the supervisor."""
        with suppress(FileNotFoundError):
            path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        return []

    async def stop(self) -> None:
        """SIGTERM, and wait for its end."""
        if self.pid and lives(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            await ended(self.pid)

    async def assert_clean(self, *, deep: bool) -> None:
        """As `hub store check` would say, beside the hub or after it."""
        async with services(self.config) as opened:
            checked = await check(
                opened, deep=deep, repair=False, counted=lambda what, count: None, progress=no_progress
            )
            assert checked.problems == []

    async def items(self) -> dict[int, tuple[Item, str]]:
        """Number → the item and the body of every message in the mailbox; each is there once."""
        async with services(self.config) as opened:
            mailbox = await opened.storage.mailbox(self.account, "INBOX")
            assert mailbox is not None
            numbers: Counter[int] = Counter()
            found: dict[int, tuple[Item, str]] = {}
            for row in await opened.storage.items(mailbox.id, [(1, 1 << 31)]):
                try:
                    item, octets = row, await opened.blobs.read(row.blob)
                except BlobGone:  # the hub that serves has moved it since
                    (item,) = await opened.storage.items(mailbox.id, [(row.uid, row.uid)])
                    octets = await opened.blobs.read(item.blob)
                head, _, body = octets.partition(b"\r\n\r\n")
                said = re.search(rf"^{HEADER}: (\d+)\r?$".encode(), head, re.M)
                assert said is not None
                numbers[int(said[1])] += 1
                found[int(said[1])] = item, body.decode()
            assert [number for number, count in numbers.items() if count > 1] == []
            return found


async def kill_group(pid: int) -> None:
    """SIGKILL to a process and all it has started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    await ended(pid)


async def ended(pid: int) -> None:
    """Wait for its end, and that of its threads, with which its ports and locks are free."""

    async def is_gone() -> bool:
        try:
            return not lives(pid) and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
        except OSError:
            return True

    await until(is_gone, 60)


@asynccontextmanager
async def killable(
    folder: Path,
    *,
    workers: int = 1,
    data: Path | None = None,
    tables: Mapping[str, object] = MappingProxyType({}),
) -> AsyncIterator[Killable]:
    """Not started yet; killed at the end if it still runs. data: elsewhere than in the folder."""
    port = free_port()
    said: dict[str, object] = {
        "hub": {"workers": workers},
        "log": {"format": "json"},
        "listeners": {"smtp": {"protocol": "smtp", "bind": [f"127.0.0.1:{port}"]}},
        # Small, so that segments are sealed and opened all the time.
        "plugins": {
            "blobs-segment": {"segment_size": 100_000, "collect_after": 0, "keep_free": 0},
            "storage-sql": {"keep_expunged": 0},
        },
        **tables,
    }
    async with running_hub(folder, tables=said, accounts=(ALICE,)) as made:
        found = await made.hub.kernel.services.directory.account(ALICE)
        assert found is not None
    if data is not None:  # only now, since this process keeps a file there open
        shutil.copytree(folder / "data", data)
        path = folder / "hub.toml"
        path.write_text(path.read_text().replace(str(folder / "data"), str(data)))
    config = load(folder / "hub.toml", environ={}, cwd=folder)
    hub = Killable(folder, port, config, found.ref)
    try:
        yield hub
    finally:
        if hub.pid:
            await kill_group(hub.pid)
