"""What one plugin holds open."""

import asyncio
import contextlib
import stat
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from pydantic import BaseModel

from hub.config.errors import ConfigErrors
from hub.loading import scope as scope_module
from hub.loading.lease import SECONDS
from hub.loading.loader import Loader
from hub.loading.scope import Scope
from hub.mail.login import AccountRef
from hub.services.log import ChangeKind, LogEntry
from hub.testing.clock import ManualClock, settle
from hub.testing.plugin import PluginScope

from .conftest import Site
from .memory.hub_plugin_memory import MemoryStorage


class Limits(BaseModel):
    n: int = 1


@pytest.fixture
def storage(plugin_scope: PluginScope) -> MemoryStorage:
    return MemoryStorage(plugin_scope("memory"))


def entry(position: int) -> LogEntry:
    return LogEntry(
        position, cast(AccountRef, None), position, ChangeKind.DELIVERED, 1, "INBOX", position, position, "m"
    )


# -- what it opens


async def test_resources_close_last_in_first_out_and_one_that_fails_keeps_nobody_open(
    plugin_scope: PluginScope, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = []

    @contextlib.contextmanager
    def plain(name: str) -> Iterator[str]:
        yield name
        closed.append(name)

    @contextlib.asynccontextmanager
    async def awaited(name: str) -> AsyncIterator[str]:
        yield name
        closed.append(name)
        raise SystemExit(3)

    scope = plugin_scope("test")
    assert await scope.enter(plain("a")) == "a"
    assert await scope.enter(awaited("b")) == "b"
    assert await scope.enter(plain("c")) == "c"
    await scope.close()
    await scope.close()
    assert closed == ["c", "b", "a"]
    assert "a resource did not close" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="is closed"):
        await scope.enter(plain("d"))


async def test_a_resource_that_hangs_while_it_closes_is_given_up(
    plugin_scope: PluginScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope_module, "CLOSING", 0.01)
    closed: list[bool] = []

    @contextlib.asynccontextmanager
    async def hangs() -> AsyncIterator[None]:
        yield
        await asyncio.sleep(60)

    scope = plugin_scope("test")
    await scope.enter(contextlib.closing(_Closes(closed)))
    await scope.enter(hangs())
    async with asyncio.timeout(30):
        await scope.close()
    assert closed == [True]


class _Closes:
    def __init__(self, closed: list[bool]) -> None:
        self._closed = closed

    def close(self) -> None:
        self._closed.append(True)


async def test_the_data_folder_is_for_the_hub_alone(plugin_scope: PluginScope, tmp_path: Path) -> None:
    folder = plugin_scope("deny-list").data_dir
    assert folder == tmp_path / "plugins" / "deny-list"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_settings_are_validated_once_and_kept(plugin_scope: PluginScope) -> None:
    scope = plugin_scope("test", settings={"n": 5})
    assert scope.settings(Limits) is scope.settings(Limits)
    assert scope.settings(Limits).n == 5
    with pytest.raises(ConfigErrors, match="Did you mean 'n'"):
        plugin_scope("test", settings={"N": 5}).settings(Limits)


async def test_without_a_hub_that_serves_there_is_no_directory(plugin_scope: PluginScope) -> None:
    with pytest.raises(RuntimeError, match="no directory serves yet"):
        _ = plugin_scope("thing").directory


async def test_without_a_store_there_is_no_kv(plugin_scope: PluginScope) -> None:
    with pytest.raises(RuntimeError, match="the storage is not open yet"):
        _ = plugin_scope("test").kv


async def test_wait_is_for_threads(plugin_scope: PluginScope) -> None:
    scope = plugin_scope("test")
    home = asyncio.get_running_loop()

    async def work() -> threading.Thread:
        assert asyncio.get_running_loop() is home
        return threading.current_thread()

    here = threading.current_thread()
    assert await scope.threads.run(lambda: scope.wait(work())) is here
    with pytest.raises(RuntimeError, match="would block the event loop"):
        scope.wait(work())


# -- what runs again and again


async def test_timers_start_at_the_swap_and_end_with_the_scope(
    plugin_scope: PluginScope, manual_clock: ManualClock
) -> None:
    ticks: list[str] = []

    async def tick() -> None:
        ticks.append("tick")

    scope = plugin_scope("test")
    scope.every(10, tick)
    await manual_clock.turn(100)
    assert ticks == []
    scope.open_timers()
    scope.open_timers()
    await manual_clock.turn(35)
    assert len(ticks) == 3
    scope.every(1, lambda: ticks.append("later"))
    await manual_clock.turn(1.5)
    while scope.threads.busy:
        await asyncio.sleep(0)
    assert ticks[-1] == "later"
    await scope.close()
    count = len(ticks)
    await manual_clock.turn(100)
    assert len(ticks) == count


@pytest.mark.parametrize("plain", [False, True])
async def test_a_timer_s_failure_is_logged_and_the_timer_goes_on(
    plugin_scope: PluginScope, manual_clock: ManualClock, plain: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1
        task = asyncio.current_task()
        assert task is not None
        if ticks == 1:
            task.cancel()
        elif ticks == 2:
            raise asyncio.CancelledError
        else:
            raise SystemExit(3)

    def plain_tick() -> None:
        nonlocal ticks
        ticks += 1
        raise SystemExit(3)

    scope = plugin_scope("test")
    scope.every(1, plain_tick if plain else tick)
    scope.open_timers()
    for wanted in range(1, 5):
        await manual_clock.turn(1)
        while not manual_clock.sleepers:
            await asyncio.sleep(0.001)
        assert ticks == wanted
    out = capsys.readouterr().out
    assert "SystemExit: 3" in out
    assert plain or out.count("it cancelled itself") == 2


async def test_every_refuses_what_would_never_pause(plugin_scope: PluginScope) -> None:
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="must be more than 0"):
            plugin_scope("test").every(seconds, lambda: None)


async def test_of_two_workers_one_holds_the_lease_and_the_other_takes_over(
    plugin_scope: PluginScope, manual_clock: ManualClock, storage: MemoryStorage
) -> None:
    ticks: list[str] = []

    def ticker(name: str) -> Callable[[], Awaitable[None]]:
        async def tick() -> None:
            ticks.append(name)

        return tick

    def worker(name: str) -> Scope:
        scope = plugin_scope("test", storage=storage)  # type: ignore[arg-type]
        scope.every(20, ticker(name), once=True)
        scope.open_timers()
        return scope

    first = worker("first")
    await settle()
    second = worker("second")
    await manual_clock.turn(100)
    assert set(ticks) == {"first"}
    assert len(ticks) == 5
    await first.close()
    await manual_clock.turn(100)
    assert ticks.count("second") >= 3
    # One that dies without a word loses the lease when it has run out.
    for task in second._timers._tasks:
        task.cancel()
    storage._kvs["test"]._values.update(
        {key: (b"the dead one", manual_clock.time() + SECONDS) for key in storage._kvs["test"]._values}
    )
    third = worker("third")
    await manual_clock.turn(SECONDS - 1)
    assert "third" not in ticks
    await manual_clock.turn(60)
    assert "third" in ticks
    await third.close()


# -- following the log


@pytest.mark.proves("plugins: followers get every change of the log, in order, across restarts")
async def test_a_follower_gets_every_entry_in_order_and_goes_on_where_it_stopped(
    plugin_scope: PluginScope, manual_clock: ManualClock, storage: MemoryStorage
) -> None:
    seen: list[int] = []

    async def handler(entries: Sequence[LogEntry]) -> None:
        seen.extend(entry.position for entry in entries)

    def follower() -> Scope:
        scope = plugin_scope("index", storage=storage)  # type: ignore[arg-type]
        scope.follow("index", handler)
        scope.open_timers()
        return scope

    for position in range(1, 500):
        storage.entries.append(entry(position))
    scope = follower()
    await manual_clock.turn(0)
    assert seen == list(range(1, 500))
    storage.commit(entry(500))
    await settle()
    assert seen[-1] == 500
    await scope.close()
    storage.commit(entry(501))
    await settle()
    assert seen[-1] == 500
    scope = follower()
    await manual_clock.turn(0)
    assert seen == list(range(1, 502))


async def test_what_a_follower_failed_on_comes_again_after_a_growing_pause(
    plugin_scope: PluginScope, manual_clock: ManualClock, storage: MemoryStorage
) -> None:
    tried: list[tuple[float, list[int]]] = []

    async def handler(entries: Sequence[LogEntry]) -> None:
        tried.append((manual_clock.monotonic(), [entry.position for entry in entries]))
        if len(tried) == 2:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)
        if len(tried) < 4:
            raise SystemExit

    storage.entries += [entry(1), entry(2)]
    scope = plugin_scope("index", storage=storage)  # type: ignore[arg-type]
    scope.follow("index", handler)
    scope.open_timers()
    await manual_clock.turn(1 + 2 + 4 + 1)
    assert tried == [(0, [1, 2]), (1, [1, 2]), (3, [1, 2]), (7, [1, 2])]
    storage.commit(entry(3))
    await settle()
    assert tried[-1][1] == [3]


# -- inside a hub


async def scope_of(loader: Loader, name: str) -> Scope:
    return cast(Scope, loader.generations.current.plugins[name])


async def test_a_plugin_calls_a_hook_of_the_generation_that_serves(site: Site) -> None:
    site.answering("deny.py", "no")
    site.write(
        "check.py",
        """
        from hub import Finding, hookimpl
        @hookimpl
        async def check_message(message):
            if message == "broken":
                raise ValueError
            return Finding(score=len(message))
        """,
    )
    loader = await site.start()
    scope = await scope_of(loader, "deny")
    assert str(await scope.call("smtp_rcpt", session=None, envelope=None, recipient=None)) == (
        "Reject(code='5.1.1', text='no')"
    )
    (finding,) = cast(
        "list[object]", await scope.call("check_message", session=None, envelope=None, message="abc")
    )
    assert "score=3" in str(finding)
    assert await scope.call("session_closed", session=None) is None
    with pytest.raises(Exception, match="check failed in check_message"):
        await scope.call("check_message", session=None, envelope=None, message="broken")
    with pytest.raises(LookupError, match="Did you mean 'smtp_rcpt'"):
        await scope.call("smtp_rctp")
    with pytest.raises(LookupError, match="by the hub alone"):
        await scope.call("plugin_start")
    with pytest.raises(TypeError, match="missing"):
        await scope.call("smtp_rcpt", rcpt=1)


async def test_a_breaker_that_opens_and_closes_is_a_fact(site: Site) -> None:
    site.write(
        "broken.py", "from hub import hookimpl\n@hookimpl\nasync def session_opened(session): 1 / session"
    )
    site.write(
        "facts.py",
        """
        from hub import StashKey, hookimpl
        SEEN = StashKey()
        @hookimpl
        async def plugin_start(plugin):
            plugin.stash[SEEN] = []
        @hookimpl
        async def breaker_opened(plugin, name, hook, reason):
            plugin.stash[SEEN].append(("opened", name, hook, reason))
        @hookimpl
        async def breaker_closed(plugin, name, hook):
            plugin.stash[SEEN].append(("closed", name, hook))
        """,
    )
    loader = await site.start()
    facts = await scope_of(loader, "facts")
    health = {info["name"]: info["health"] for info in loader.plugins()}
    assert set(health.values()) == {"ok"}
    for _ in range(5):
        await facts.call("session_opened", session=0)
    await settle(100)
    assert {info["name"]: info["health"] for info in loader.plugins()}["broken"] == "breaker open"
    await site.clock.turn(5)
    await facts.call("session_opened", session=1)
    await settle(100)
    assert facts.stash[sys.modules["hub_plugin_facts"].SEEN] == [
        ("opened", "broken", "session_opened", "ZeroDivisionError: division by zero"),
        ("closed", "broken", "session_opened"),
    ]
