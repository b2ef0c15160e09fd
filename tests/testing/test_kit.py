"""The test kit does what plugin authors rely on."""

import asyncio
from pathlib import Path

import pytest

from hub.config.load import load
from hub.dispatch.failure import Failure
from hub.loading.loader import Loader
from hub.mail.login import Password
from hub.mail.verdict import Reject
from hub.testing import recorder as recording
from hub.testing.clock import ManualClock
from hub.testing.conversation import read
from hub.testing.observed import Call
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub
from hub.testing.showing import arguments, outcome


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
        provided = ["provide_routes", "provide_imap_commands", "provide_listeners"]
        assert [call.hook for call in calls] == [*provided, "plugin_start", "smtp_helo"]
        assert calls[-1] == recording.Call("smtp_helo", {"session": None, "name": "there"})
        assert recorder.hooks(generations) == {*provided, "plugin_start", "smtp_helo"}
        assert all("recorder" in [step["plugin"] for step in steps] for steps in loader.hooks().values())
    finally:
        await loader.close()


def test_a_call_is_shown_without_its_secrets() -> None:
    given = {"credentials": Password("bob@example.test", "hunter2"), "name": "x" * 500}
    refused = Call("authenticate", "mine", given, Reject("5.7.8", "not bob@example.test"), None, 0.001)
    said = arguments(refused, "domain")
    assert said.startswith("credentials=Password(username=…@example.test, mechanism=PLAIN), name=xxx")
    assert "hunter2" not in said
    assert len(said) < 200
    assert outcome(refused, "domain") == "reject 5.7.8 not …@example.test"
    failure = Failure("authenticate", "mine", "KeyError: 'bob@example.test'", "mine.py:7")
    failed = Call("authenticate", "mine", given, None, failure, 0.001)
    assert outcome(failed, "hash").startswith("failed: KeyError: '#")
    assert outcome(failed, "hash").endswith("'  mine.py:7")


def test_a_hub_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    hub = RunningHub(None, None, tmp_path, tmp_path, {}, ManualClock(), tmp_path, None)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="keeps nothing of what happens"):
        hub.called("smtp_rcpt")


def test_a_line_of_a_conversation_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.smtp").write_text("# fine\nQ: what\n")
    with pytest.raises(ValueError, match=r"x\.smtp:2: a line begins with one of C:, C>, C!, S:, S~, S!"):
        read(tmp_path / "x.smtp")
