"""The test kit does what plugin authors rely on."""

import asyncio
from pathlib import Path

from hub.config.load import load
from hub.loading.loader import Loader
from hub.testing.clock import ManualClock
from hub.testing.recorder import Call, Recorder


async def test_the_clock_wakes_sleepers_in_order_and_lets_them_sleep_again(manual_clock: ManualClock) -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        for _ in range(2):
            await manual_clock.sleep(seconds)
            woken.append((name, manual_clock.monotonic()))

    tasks = [asyncio.ensure_future(sleeper(*each)) for each in (("slow", 5), ("quick", 2))]
    await manual_clock.turn(4.5)
    assert woken == [("quick", 2), ("quick", 4)]
    assert manual_clock.sleepers == 1
    await manual_clock.turn(5.5)
    assert woken[2:] == [("slow", 5), ("slow", 10)]
    await asyncio.wait(tasks)


async def test_the_recorder_sees_hooks_fire(tmp_path: Path, manual_clock: ManualClock) -> None:
    folder = tmp_path / "plugins.d"
    recorder = Recorder(folder)
    (tmp_path / "hub.toml").write_text(
        f'[hub]\ndata_dir = "{tmp_path}/data"\nplugin_dirs = ["{folder}"]\nplugins = []\n'
        '[services]\nstorage = "memory"\nblobs = "memory"\ndirectory = "memory"\n'
    )
    trees = Path(__file__).parents[1] / "loading"
    loader = Loader(load(tmp_path / "hub.toml", {}), manual_clock, trees=[trees], path=[])
    generations = await loader.start()
    try:
        scope = generations.current.plugins["recorder"]
        assert await scope.call("smtp_helo", session=None, name="there") is None
        calls = recorder.calls(generations)
        assert [call.hook for call in calls] == ["plugin_start", "smtp_helo"]
        assert calls[-1] == Call("smtp_helo", {"session": None, "name": "there"})
        assert recorder.hooks(generations) == {"plugin_start", "smtp_helo"}
        assert all("recorder" in [step["plugin"] for step in steps] for steps in loader.hooks().values())
    finally:
        await loader.close()
