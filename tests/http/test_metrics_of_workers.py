"""Metrics speak for the hub: of two workers each answers for both, and a death costs no count."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.crew import Crew, lives, serving, until

TABLES = {
    "listeners": {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "imap", "http")}
}


async def accepted(crew: Crew) -> float:
    """What one scrape says, by whichever worker the kernel chooses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await crew.port("http"))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert head.startswith("HTTP/1.1 200"), head
    assert 'hub_workers{state="serves"} 2' in body
    name = 'hub_messages_total{outcome="accepted",protocol="smtp"} '
    return next((float(line[len(name) :]) for line in body.splitlines() if line.startswith(name)), 0.0)


async def until_accepted(crew: Crew, number: int) -> None:
    """Sessions are counted when they end, and a text is given out again for a second."""
    seen = 0.0

    async def all_are() -> bool:
        nonlocal seen
        now = await accepted(crew)
        assert seen <= now <= number, "a counter fell, or counted twice"
        seen = now
        return now == number

    await until(all_are)


async def test_every_worker_answers_for_all_and_a_death_costs_no_count(tmp_path: Path) -> None:
    async with serving(tmp_path, tables=TABLES, enabled=["prometheus"]) as crew:
        for worker in (0, 1, 1):
            async with crew.connected(worker) as client:
                assert (await client.send("counted"))[:3] == "250"
        await until_accepted(crew, 3)
        victim = (await crew.pids())[1]
        os.kill(victim, signal.SIGKILL)
        await until(lambda: _gone(victim))
        await until(crew.all_serve)
        for _ in range(8):  # by either worker
            assert await accepted(crew) == 3
        async with crew.connected(1) as client:
            assert (await client.send("counted"))[:3] == "250"
        await until_accepted(crew, 4)


async def _gone(pid: int) -> bool:
    return not lives(pid)
