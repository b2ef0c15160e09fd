"""What a plugin has started beside its scope, and so leaves behind when that closes."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator, Mapping
from types import FrameType, ModuleType
from typing import Final

from hub.hooks.plugin import Logger

ENDING: Final = 1.0
"""Seconds that tasks left behind have to end."""


async def end_leaks(modules: Mapping[str, ModuleType], log: Logger) -> None:
    """Cancel every task that began in the modules and name every thread that is inside of them.

    For modules that nobody uses any more. A thread cannot be ended from outside.
    """
    tasks = left_tasks(modules)
    for task, place in tasks.items():
        log.warning("left a task behind, which is cancelled", task=task.get_name(), where=place)
        task.cancel()
    if tasks:
        _, going_on = await asyncio.wait(tasks, timeout=ENDING)
        for task in going_on:
            log.error("a task that was left behind does not end", task=task.get_name(), where=tasks[task])
    for name, place in left_threads(modules):
        log.warning("left a thread behind, which goes on until it ends", thread=name, where=place)


def left_tasks(modules: Mapping[str, ModuleType]) -> dict[asyncio.Task[object], str]:
    """Those whose outermost coroutine is the modules', with where it stands."""
    code = _globals_of(modules)
    frames = {task: getattr(task.get_coro(), "cr_frame", None) for task in asyncio.all_tasks()}
    return {
        task: _place(frame)
        for task, frame in frames.items()
        if isinstance(frame, FrameType) and _is_of(frame, code)
    }


def left_threads(modules: Mapping[str, ModuleType]) -> Iterator[tuple[str, str]]:
    """The name of each thread that is inside of the modules, with where it stands."""
    code = _globals_of(modules)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, innermost in sys._current_frames().items():
        frame: FrameType | None = innermost
        while frame is not None and not _is_of(frame, code):
            frame = frame.f_back
        if frame is not None:
            yield names.get(ident, str(ident)), _place(frame)


def _globals_of(modules: Mapping[str, ModuleType]) -> list[dict[str, object]]:
    return [vars(module) for module in modules.values()]


def _is_of(frame: FrameType, code: list[dict[str, object]]) -> bool:
    return any(frame.f_globals is each for each in code)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
