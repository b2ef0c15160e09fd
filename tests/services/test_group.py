"""Group commit: who shares a commit, who is told what, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from hub.services.group import MOST_SECONDS, GroupWriter


class Commits:
    """Answers each number with its double, once `go` is set."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, group: Sequence[int]) -> Sequence[int | BaseException]:
        self.groups.append(list(group))
        self.entered.set()
        assert self.go.wait(30)
        if 13 in group:
            raise OSError("thirteen spoils its group")
        return [ValueError(f"{number} is negative") if number < 0 else number * 2 for number in group]

    async def hold(self, writer: GroupWriter[int, int], number: int) -> asyncio.Task[int]:
        """A commit that stays under way until `go` is set."""
        self.go.clear()
        self.entered.clear()
        task = asyncio.create_task(writer.submit(number))
        await asyncio.to_thread(self.entered.wait, 30)
        return task


async def submitted(writer: GroupWriter[int, int], numbers: Sequence[int]) -> list[asyncio.Task[int]]:
    """Tasks that have handed in their work."""
    tasks = [asyncio.create_task(writer.submit(number)) for number in numbers]
    while writer.waiting < len(numbers):
        await asyncio.sleep(0)
    return tasks


async def test_what_arrives_during_a_commit_shares_the_next() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    first = await commits.hold(writer, 1)
    rest = await submitted(writer, range(2, 7))
    commits.go.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8, 10, 12]
    assert commits.groups == [[1], [2, 3, 4, 5, 6]]
    await writer.close()


async def test_what_comes_within_a_few_turns_of_the_loop_shares_a_group() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(writer.submit(number)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6]
    assert commits.groups == [[0, 1, 2, 3]]
    await writer.close()


async def test_a_group_waits_no_longer_on_a_loop_whose_turns_are_long() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    task = asyncio.create_task(writer.submit(1))
    await asyncio.sleep(0)
    for _ in range(3):  # each turn takes longer than a group may wait
        await asyncio.sleep(0)
        time.sleep(2 * MOST_SECONDS)
    assert not writer.waiting
    assert await task == 2
    await writer.close()


async def test_who_writes_alone_waits_for_nobody() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    await writer.submit(1)
    commits.go.clear()
    task = asyncio.create_task(writer.submit(2))
    await asyncio.sleep(0)  # for the task to begin
    assert not writer.waiting
    commits.go.set()
    assert await task == 4
    await writer.close()


async def test_others_hear_of_a_group_once_its_callers_have_gone_on() -> None:
    happened: list[object] = []
    writer: GroupWriter[int, int] = GroupWriter(
        "test", Commits(), answered=lambda: happened.append("answered")
    )

    async def call(number: int) -> None:
        happened.append(await writer.submit(number))

    await asyncio.gather(call(1), call(2))
    await writer.close()
    assert happened == [2, 4, "answered"]


async def test_a_group_does_not_wait_for_an_end_of_what_keeps_coming() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    tasks = []
    for number in range(20, 120):
        tasks.append(asyncio.create_task(writer.submit(number)))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert 1 < len(commits.groups[0]) < 50
    await writer.close()


async def test_a_result_that_is_an_exception_is_its_callers_alone() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    first = await commits.hold(writer, 1)
    rest = await submitted(writer, [2, -3, 4])
    commits.go.set()
    results = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [results[0], results[1], str(results[2]), results[3]] == [2, 4, "-3 is negative", 8]
    await writer.close()


async def test_a_commit_that_fails_is_told_to_its_whole_group_and_the_next_goes_on() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    first = await commits.hold(writer, 1)
    rest = await submitted(writer, [12, 13])
    commits.go.set()
    results = await asyncio.gather(first, *rest, return_exceptions=True)
    assert results[0] == 2
    assert [str(result) for result in results[1:]] == ["thirteen spoils its group"] * 2
    assert await writer.submit(5) == 10
    await writer.close()


async def test_too_few_results_are_an_error_for_all() -> None:
    writer: GroupWriter[int, int] = GroupWriter("test", lambda group: [])
    with pytest.raises(RuntimeError, match="0 results for 1"):
        await writer.submit(1)
    await writer.close()


async def test_a_full_queue_makes_callers_wait_for_room() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits, bound=2)
    first = await commits.hold(writer, 1)
    (second,) = await submitted(writer, [2])
    third = asyncio.create_task(writer.submit(3))
    await asyncio.sleep(0)
    assert writer.waiting == 1
    commits.go.set()
    assert [*await asyncio.gather(first, second, third)] == [2, 4, 6]
    await writer.close()


async def test_a_cancelled_caller_harms_nobody() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits)
    first = await commits.hold(writer, 1)
    second, third = await submitted(writer, [2, 3])
    second.cancel()
    await asyncio.wait([second])
    commits.go.set()
    assert [*await asyncio.gather(first, third)] == [2, 6]
    assert commits.groups == [[1], [2, 3]]
    await writer.close()


async def test_closing_commits_what_waits_and_refuses_what_comes_later() -> None:
    commits = Commits()
    writer: GroupWriter[int, int] = GroupWriter("test", commits, bound=2)
    first = await commits.hold(writer, 1)
    (second,) = await submitted(writer, [2])
    without_room = asyncio.create_task(writer.submit(3))
    await asyncio.sleep(0)
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    commits.go.set()
    await closing
    assert [*await asyncio.gather(first, second)] == [2, 4]
    with pytest.raises(RuntimeError, match="closed"):
        await without_room
    with pytest.raises(RuntimeError, match="closed"):
        await writer.submit(4)
