"""A process that runs one hub: its event loop, its signals, and its end."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from hub.app import Hub
from hub.config.load import Config
from hub.dispatch.blocking import Stack, Watch
from hub.listening import Bound
from hub.log import get_logger

ENDING: Final = 3.0
"""Seconds that threads get to end, once the hub has stopped."""

_log = get_logger(area="hub")


def serve(
    config: Config, bound: Sequence[Bound], reread: Callable[[], Config], trees: Sequence[Path] = ()
) -> None:
    """Run a hub until SIGTERM or SIGINT; on uvloop where that is installed."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(config, bound, reread, trees))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes uvloop's event loop, where that is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(
    config: Config, bound: Sequence[Bound], reread: Callable[[], Config], trees: Sequence[Path]
) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    hub = Hub(config, bound, trees=trees, reread=reread)
    await hub.start()
    calm_collector()
    reloads: set[asyncio.Task[Mapping[str, object] | None]] = set()

    def reload() -> None:
        task = loop.create_task(hub.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    with Stack(hub.notes) as stack, Watch(hub.notes, stack, time.monotonic):
        loop.add_signal_handler(signal.SIGHUP, reload)
        _log.info("serving", pid=os.getpid(), data=str(config.settings.hub.data_dir))
        await told_to_stop(hub, stopping)
        _log.info("stopping")
        await hub.stop()
    end_in_time()


async def told_to_stop(hub: Hub, stopping: asyncio.Event) -> None:
    """Wait for it. A SystemExit that leaves the loop instead comes from no step, for those hold theirs."""
    try:
        await stopping.wait()
    except asyncio.CancelledError:
        hub.exonerate()
        raise


def end_in_time() -> None:
    """This process ends, whatever threads plugins have left: Python would wait for them for ever."""
    timer = threading.Timer(ENDING, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    threads = [each.name for each in threading.enumerate() if not each.daemon]
    _log.warning("threads do not end; the process does", threads=threads)
    sys.stderr.flush()
    os._exit(0)


def calm_collector() -> None:
    """What is loaded now stays: leave it out of every garbage collection, and collect less often.

    Collections of everything were seen to hold the loop for tens of milliseconds. One more before they end
    would find some thousand objects among a hundred thousand.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
