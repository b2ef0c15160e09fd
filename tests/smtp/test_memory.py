"""Large messages stream: they cost little memory, never stop the loop and leave room for everybody else."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.cpu import CORES, foreign_seconds
from hub.testing.running import running_hub
from tests.conftest import Client
from tests.crew import Crew, started, until
from tests.soak import Soak

TICK = 0.005
ROUNDS = 3
"""How often times are taken at most: the first that are within their goals count, all are reported."""
PROBE = f'''"""How late the event loop gets to what it has to do, and how long it has worked meanwhile."""
import asyncio
import time

from hub import hookimpl


@hookimpl
async def plugin_start(plugin):
    loop, path, moments = asyncio.get_running_loop(), plugin.data_dir / "late", []

    def tick(due, worked):
        late, worked = loop.time() - due, time.thread_time() - worked
        if late > {TICK}:
            moments.append(f"{{time.time()}} {{late}} {{worked}}")
        due = loop.time() + {TICK}
        loop.call_at(due, tick, due, time.thread_time())

    def write():  # in a thread, for a disk that is busy makes whoever writes wait
        unsaved = path.with_suffix(".new")
        unsaved.write_text("\\n".join([str(time.time()), *moments]))
        unsaved.replace(path)

    tick(loop.time(), time.thread_time())
    plugin.every(0.2, write)
'''


def anonymous_memory(pid: int) -> int:
    """Octets of the process that no file stands behind."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@dataclass
class Watch:
    """What was seen of a hub meanwhile. memory: the most; others: seconds for each small mail."""

    crew: Crew
    before: int
    memory: int = 0
    over: bool = False
    began: float = field(default_factory=time.time)
    others: list[float] = field(default_factory=list)
    moments: list[tuple[float, float]] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Octets more than before."""
        return self.memory - self.before

    @property
    def latest(self) -> float:
        """Seconds that the loop was late, at worst."""
        return max((late for late, _ in self.moments), default=0.0)

    @property
    def longest(self) -> float:
        """Seconds of the processor that the loop has taken while somebody waited, at worst.

        Other processes make it late, too; this is what it does itself.
        """
        return max((worked for _, worked in self.moments), default=0.0)

    async def see(self) -> None:
        """Wait for all that the probe has seen up to now."""
        now = time.time()

        async def written() -> bool:
            paths = list(self.crew.folder.glob("data/**/late"))
            lines = paths[0].read_text().splitlines() if paths else ["0"]
            moments = [tuple(map(float, line.split())) for line in lines[1:]]
            self.moments = [(late, worked) for at, late, worked in moments if at >= self.began]
            return float(lines[0]) > now

        await until(written)

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 small mails were through."""
        return sorted(self.others)[int(len(self.others) * 0.99)]


@asynccontextmanager
async def hub_with_probe(folder: Path, **smtp: object) -> AsyncIterator[Crew]:
    """One process with the default plugins. smtp: of its table."""
    tables = {"hub": {"workers": 1}, "smtp": smtp, "log": {"format": "json"}}
    async with running_hub(folder, plugins=("deny-list", "rate-limit"), tables=tables):
        pass  # the configuration, the store and the accounts
    (folder / "plugins.d" / "probe.py").write_text(PROBE)
    async with started(folder) as crew:
        yield crew


async def probe(watch: Watch, port: int) -> None:
    """Small mail on a session of its own, one after the other, until it is over."""
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    try:
        await client.reply()
        await client.ask("EHLO small.example")
        message = b"Subject: small\r\n\r\n" + b"small and quick\r\n" * 240
        while not watch.over:
            began = time.perf_counter()
            reply = await client.submit(message, to="alice@example.test")
            watch.others.append(time.perf_counter() - began)
            assert reply.startswith("250"), reply
            await asyncio.sleep(0.01)
    finally:
        await client.close()


async def sample(watch: Watch) -> None:
    """Look at the memory until it is over."""
    while not watch.over:
        watch.memory = max(watch.memory, anonymous_memory(watch.crew.process.pid))
        await asyncio.sleep(0.02)


async def load(crew: Crew, count: int, size: int) -> Watch:
    """So many messages of that size at once, small mail beside them."""
    port = await crew.port("smtp")
    await bulk(port, 2, 2_000_000)  # whatever is made at the first use is made now
    watch = Watch(crew, anonymous_memory(crew.process.pid))
    async with asyncio.TaskGroup() as group:
        group.create_task(sample(watch))
        for _ in range(4):
            group.create_task(probe(watch, port))
        await bulk(port, count, size)
        watch.over = True
    await watch.see()
    return watch


async def bulk(port: int, count: int, size: int) -> None:
    command = [sys.executable, "-m", "tests.smtp.bulk", *map(str, (port, count, size))]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    assert await process.wait() == 0


@pytest.mark.soak(alone=True)
async def test_a_message_of_100_mb_streams(tmp_path: Path, soak: Soak) -> None:
    async with hub_with_probe(tmp_path, max_size=200_000_000) as crew:
        watch = await load(crew, 1, 100_000_000)
        soak.found("memory for one message of 100 MB", f"{watch.growth / 1e6:.1f} MB")
        soak.found("the loop worked without a pause", f"{watch.longest * 1000:.0f} ms at worst")
        assert watch.growth < 20_000_000
        assert watch.longest < 0.050


@pytest.mark.soak(alone=True)
@pytest.mark.proves("mail: a hundred messages of 25 MB at once cost less than 300 MB, and others do not wait")
async def test_many_large_messages_at_once_leave_room(tmp_path: Path, soak: Soak) -> None:
    count, size = soak.times(20, soak=100), soak.times(10_000_000, soak=25_000_000)
    async with hub_with_probe(tmp_path) as crew:
        # Times are looked at in the long run alone, where disk and processors may be others' for a while.
        for _ in range(ROUNDS if soak.long else 1):
            began, foreign = time.perf_counter(), foreign_seconds()
            watch = await load(crew, count, size)
            seconds = time.perf_counter() - began
            others = (foreign_seconds() - foreign) / (seconds * CORES)
            soak.found(f"{count} messages of {size / 1e6:g} MB", f"{count * size / 1e6 / seconds:.0f} MB/s")
            soak.found("memory for them", f"{watch.growth / 1e6:.1f} MB")
            soak.found("the loop worked without a pause", f"{watch.longest * 1000:.0f} ms at worst")
            soak.found("the loop was late by", f"{watch.latest * 1000:.0f} ms at worst")
            soak.found(f"{len(watch.others)} mails of 4 KiB beside them, p99", f"{watch.p99 * 1000:.0f} ms")
            soak.found("others used of the machine meanwhile", f"{others:.1%}")
            assert watch.growth < 300_000_000
            assert watch.others
            assert watch.longest < 0.050
            if watch.latest < 0.050 and watch.p99 < 0.100:
                break
        if soak.long:
            assert watch.latest < 0.050
            assert watch.p99 < 0.100
