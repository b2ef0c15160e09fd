"""Whose large message goes on next: one in each turn of the loop, and none while a commit is under way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from hub.loading import turns
from hub.loading.turns import Turns
from hub.services.group import GroupWriter


async def loop_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_goes_on_in_a_turn_of_its_own() -> None:
    taken: list[int] = []
    mine = Turns()

    async def take(number: int) -> None:
        await mine.mine()
        taken.append(number)

    tasks = [asyncio.create_task(take(number)) for number in range(3)]
    seen = []
    while len(taken) < 3:
        await asyncio.sleep(0)
        seen.append(len(taken))
    assert taken == [0, 1, 2]
    assert {1, 2} <= set(seen)
    await asyncio.gather(*tasks)


async def test_nobody_has_a_turn_while_somebody_waits_for_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 30.0)
    go = threading.Event()

    def commit(group: Sequence[int]) -> Sequence[int]:
        assert go.wait(30)
        return group

    order: list[str] = []
    writers = [GroupWriter[int, int](name, commit) for name in ("bytes", "rows")]

    async def keep() -> None:
        """As mail is kept: its bytes, then its rows."""
        for writer in writers:
            await writer.submit(1)
        order.append("kept")

    async def take() -> None:
        await mine.mine()
        order.append("turn")

    mine = Turns()
    tasks = [asyncio.create_task(keep())]
    await loop_turns(2)
    tasks += [asyncio.create_task(take()) for _ in range(2)]
    await loop_turns(20)
    assert order == []
    go.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert order == ["kept", "turn", "turn"]
    for writer in writers:
        await writer.close()


async def test_who_has_waited_for_long_enough_has_a_turn_beside_a_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.0)
    go = threading.Event()

    def commit(group: Sequence[int]) -> Sequence[int]:
        assert go.wait(30)
        return group

    writer = GroupWriter[int, int]("bytes", commit)
    kept = asyncio.create_task(writer.submit(1))
    await loop_turns(2)
    mine = Turns()
    for _ in range(3):
        await asyncio.wait_for(mine.mine(), 30)
    assert not kept.done()
    go.set()
    await kept
    await asyncio.wait_for(mine.mine(), 30)
    await writer.close()
