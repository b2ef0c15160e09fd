"""Connections that end together, and those that have been silent for too long."""

from __future__ import annotations

import asyncio

from hub.loading.connections import Connections


class Fake:
    """A connection that notes what it is told. stays: it does not end when it is drained."""

    def __init__(self, among: Connections, deadline: float = float("inf"), *, stays: bool = False) -> None:
        self.deadline = deadline
        self.told: list[str] = []
        self._among = among
        self._stays = stays
        among.add(self)

    def look(self, now: float) -> None:
        self.told.append("look")
        if now > self.deadline:
            self._among.remove(self)

    def drain(self) -> None:
        self.told.append("drain")
        if not self._stays:
            self._among.remove(self)


async def test_each_looks_at_the_clock() -> None:
    connections = Connections()
    now = asyncio.get_running_loop().time()
    late, early = Fake(connections, now - 1), Fake(connections, now + 100)
    connections.sweep()
    assert (late.told, early.told) == (["look"], ["look"])
    assert len(connections) == 1
    connections.remove(early)


async def test_nothing_ticks_without_connections() -> None:
    def ticks() -> bool:
        return connections._timer is not None

    connections = Connections()
    assert not ticks()
    connection = Fake(connections)
    assert ticks()
    connections.remove(connection)
    assert not ticks()


async def test_drain_waits_for_those_that_are_at_work() -> None:
    connections = Connections()
    idle, busy = Fake(connections), Fake(connections, stays=True)
    draining = asyncio.create_task(connections.drain(30))
    await asyncio.sleep(0)
    assert connections.draining
    assert (idle.told, busy.told) == (["drain"], ["drain"])
    assert not draining.done()
    connections.remove(busy)
    assert await draining == 0


async def test_drain_gives_up_and_says_how_many_are_left() -> None:
    connections = Connections()
    busy = Fake(connections, stays=True)
    assert await connections.drain(0.01) == 1
    connections.remove(busy)
    assert await connections.drain(0.01) == 0
