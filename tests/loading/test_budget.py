"""New messages wait while too many octets are held; who holds some already does not."""

from __future__ import annotations

import asyncio

from hub.loading.budget import Budget


async def test_there_is_room_until_the_limit() -> None:
    budget = Budget(limit=100)
    budget.change(99)
    assert not budget.spent
    await budget.room()
    budget.change(1)
    assert budget.spent


async def test_who_waits_goes_on_when_there_is_room() -> None:
    budget = Budget(limit=100)
    budget.change(150)
    waiting = [asyncio.create_task(budget.room()) for _ in range(3)]
    await asyncio.sleep(0)
    budget.change(-50)
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    budget.change(-1)
    await asyncio.gather(*waiting)


async def test_who_gave_up_waiting_takes_nobodys_turn() -> None:
    budget = Budget(limit=100)
    budget.change(100)
    first, second = asyncio.create_task(budget.room()), asyncio.create_task(budget.room())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    budget.change(-100)
    await second
    assert first.cancelled()
