"""What a plugin leaves behind is found by the module that its code belongs to."""

from __future__ import annotations

import asyncio
import threading
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from hub.loading import leaks
from hub.loading.leaks import end_leaks
from hub.log import get_logger

CODE = """
import asyncio, threading

async def forever():
    await asyncio.sleep(3600)

async def stubborn(until):
    while not until.done():
        try:
            await asyncio.shield(until)
        except asyncio.CancelledError:
            pass

def stay(entered, until):
    entered.set()
    until.wait()
"""


def module(name: str) -> ModuleType:
    made = ModuleType(name)
    exec(compile(CODE, f"/plugins.d/{name}.py", "exec"), vars(made))
    return made


async def test_only_the_tasks_of_the_module_are_cancelled() -> None:
    old, new = module("plugin"), module("plugin")  # before and after it was saved
    lost = asyncio.create_task(old.forever(), name="lost")
    others = [asyncio.create_task(new.forever()), asyncio.create_task(asyncio.sleep(3600))]
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await end_leaks({"plugin": old}, get_logger())
    assert lost.cancelled()
    assert not any(task.cancelling() for task in others)
    assert [(entry["task"], entry["where"]) for entry in logs] == [("lost", "/plugins.d/plugin.py:5")]
    for task in others:
        task.cancel()


async def test_a_task_that_does_not_end_is_said_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "ENDING", 0.01)
    old, until = module("plugin"), asyncio.get_running_loop().create_future()
    lost = asyncio.create_task(old.stubborn(until))
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await end_leaks({"plugin": old}, get_logger())
    assert [entry["event"] for entry in logs] == [
        "left a task behind, which is cancelled",
        "a task that was left behind does not end",
    ]
    until.set_result(None)
    await lost


async def test_a_thread_inside_of_the_module_is_named_and_others_are_not() -> None:
    old, entered, until = module("plugin"), threading.Event(), threading.Event()
    inside = threading.Thread(target=old.stay, args=(entered, until), name="inside")
    outside = threading.Thread(target=until.wait, name="outside")
    inside.start()
    outside.start()
    entered.wait()
    with capture_logs() as logs:
        await end_leaks({"plugin": old}, get_logger())
    until.set()
    inside.join()
    outside.join()
    (line,) = logs
    assert line["thread"] == "inside"
    assert line["where"] in ("/plugins.d/plugin.py:15", "/plugins.d/plugin.py:16")


async def test_nothing_left_behind_is_nothing_said() -> None:
    with capture_logs() as logs:
        await end_leaks({"plugin": module("plugin")}, get_logger())
    assert logs == []
