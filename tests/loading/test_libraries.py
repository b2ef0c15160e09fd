"""Facts about the libraries that the design rests on; one that stops being true shows here first."""

import asyncio
from pathlib import Path

import pluggy
import pytest
from watchdog.events import FileClosedNoWriteEvent, FileOpenedEvent, FileSystemEvent

from hub.loading import folders

spec, impl = pluggy.HookspecMarker("test"), pluggy.HookimplMarker("test")


class Specs:
    @spec(firstresult=True)
    def ask(self, who: str) -> object: ...


class Answers:
    @impl
    async def ask(self, who: str) -> object:
        return who


class Misspelt:
    @impl
    def aks(self, who: str) -> object: ...


class Wrong:
    @impl
    def ask(self, whom: str) -> object: ...


@pytest.fixture
def manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("test")
    manager.add_hookspecs(Specs)
    return manager


def test_a_plugin_that_an_older_pluggy_refuses_stays_half_registered(manager: pluggy.PluginManager) -> None:
    with pytest.raises(pluggy.PluginValidationError):
        manager.register(Wrong(), "wrong")
    # Fixed in 1.7; as older ones are allowed, a live manager is never registered into.
    left = manager.has_plugin("wrong") or any(
        each.plugin_name == "wrong" for each in manager.hook.ask.get_hookimpls()
    )
    assert left == (tuple(map(int, pluggy.__version__.split(".")[:2])) < (1, 7))


async def test_firstresult_takes_a_coroutine_for_an_answer(manager: pluggy.PluginManager) -> None:
    manager.register(Answers())
    answer = manager.hook.ask(who="bob")
    assert asyncio.iscoroutine(answer)
    answer.close()


def test_who_is_registered_again_moves_to_the_front(manager: pluggy.PluginManager) -> None:
    first, second = Answers(), Answers()
    manager.register(first, "first")
    manager.register(second, "second")
    manager.unregister(first)
    manager.register(first, "first")
    assert [each.plugin_name for each in manager.hook.ask.get_hookimpls()[::-1]] == ["first", "second"]


def test_a_misspelt_hook_is_registered_without_a_word(manager: pluggy.PluginManager) -> None:
    assert manager.register(Misspelt(), "misspelt") == "misspelt"
    with pytest.raises(pluggy.PluginValidationError, match="unknown hook 'aks'"):
        manager.check_pending()


async def test_a_system_exit_that_leaves_a_task_ends_the_loop() -> None:
    async def leaves() -> None:
        raise SystemExit(3)

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(SystemExit):
            await asyncio.to_thread(loop.run_until_complete, leaves())
    finally:
        loop.close()


def test_watchdog_reports_reads_as_events_of_their_own() -> None:
    assert not {FileOpenedEvent, FileClosedNoWriteEvent} & set(folders.WRITTEN)


async def test_of_two_watches_on_a_folder_inotify_gives_both_what_the_later_one_asked_for(
    tmp_path: Path,
) -> None:
    """So `Folders` has one for each folder."""
    seen: list[str] = []
    told = asyncio.Event()

    def note(event: FileSystemEvent, paths: list[Path]) -> None:
        seen.append(event.event_type)
        told.set()

    watched = folders.Folders(note)
    try:
        for interest in (folders.Interest.CLOSED, folders.Interest.NAMES):
            watched._schedule(folders.Folder(tmp_path, interest=interest))
        (tmp_path / "a").write_text("")
        async with asyncio.timeout(30):
            await told.wait()
        (tmp_path / "a").write_text("again")
        (tmp_path / "b").write_text("")
        async with asyncio.timeout(30):
            while seen.count("created") < 2:
                told.clear()
                await told.wait()
        assert "closed" not in seen
        watched.forget(tmp_path)
        watched.watch([folders.Folder(tmp_path, interest=each) for each in folders.Interest])
        (tmp_path / "a").write_text("more")
        async with asyncio.timeout(30):
            while "closed" not in seen:
                told.clear()
                await told.wait()
    finally:
        await watched.close()
