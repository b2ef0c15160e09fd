"""What one process contains: the neighbour is asked as ever; the mail sees the failure rule and no more."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.testing.running import RunningHub, running_hub

HERE = Path(__file__).parent
BAD, GOOD = "Subject: bad\r\n\r\nwords\r\n", "Subject: good\r\n\r\nwords\r\n"


def save(name: str, folder: Path) -> None:
    """Put one of the plugins here into a watched folder."""
    shutil.copy(HERE / f"{name}.py", folder / f"{name}.py")


@asynccontextmanager
async def hub_with(
    folder: Path, *names: str, options: Mapping[str, object] | None = None
) -> AsyncIterator[RunningHub]:
    """A hub with some of the plugins here; options: `[plugins.<name>.hub]` of the first."""
    (folder / "plugins.d").mkdir(mode=0o700)
    for name in names:
        save(name, folder / "plugins.d")
    tables = {"plugins": {names[0].replace("_", "-"): {"hub": options}}} if options else {}
    async with running_hub(folder, tables=tables) as hub:
        yield hub


def asked(hub: RunningHub) -> list[str]:
    """The subjects that the neighbour was asked about."""
    return (hub.folder / "data" / "plugins" / "neighbour" / "seen").read_text().split()


FAILURES = {
    "raises": ("ValueError: a secret", 7),
    "hangs": ("no answer within 0.3 s", 8),
    "hangs_in_thread": ("no answer within 0.3 s", 5),
    "cancels_itself": ("it cancelled itself", 5),
    "returns_wrong_type": ("it returned str, not Finding or None", 4),
    "calls_sys_exit": ("SystemExit: 3", 8),
}


@pytest.mark.parametrize("rule", ["tempfail", "skip"])
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.proves(
    "plugins: one that raises, hangs, exits or lies costs the mail what its failure rule says"
)
async def test_a_check_that_fails_costs_what_its_failure_rule_says(
    tmp_path: Path, name: str, rule: str
) -> None:
    reason, line = FAILURES[name]
    options = {"on_failure": rule, "timeout": 0.3}
    async with hub_with(tmp_path, name, "neighbour", options=options) as hub:
        with capture_logs() as logs:
            answer = await hub.send(BAD)
            assert (await hub.send(GOOD))[0] == 250
        if rule == "tempfail":
            assert answer == (451, "4.7.1 The message could not be checked now; try again later")
        else:
            assert answer[0] == 250
        (failed,) = [entry for entry in logs if entry["event"] == "hook failed"]
        assert failed["plugin"] == name.replace("_", "-")
        assert failed["reason"].startswith(reason)
        assert failed["where"] == f"{hub.plugins_dir / name}.py:{line}"
        assert asked(hub) == ["bad", "good"]
        there = ["good"] if rule == "tempfail" else ["bad", "good"]
        assert [subject_of(message) for message in await hub.mailbox()] == there


def subject_of(message: bytes) -> str:
    """The subject that the neighbour saw, out of the header field that it has added."""
    return message.partition(b"X-Neighbour: ")[2].partition(b"\r\n")[0].decode()


REFUSED = {
    "fails_to_import": "fails_to_import.py:4: ValueError: invalid literal for int() with base 10: 'many'",
    "fails_to_start": "fails_to_start.py:6: plugin_start failed: OSError: no such server",
    "misspells_hook": "misspells_hook.py:5: there is no hook 'check_mesage'. Did you mean 'check_message'?",
    "names_wrong_argument": "names_wrong_argument.py:5: check_message has no argument 'mail'. It offers: ",
    "depends_on_missing": "depends_on_missing.py:2: ModuleNotFoundError: No module named 'no_such_library'",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_plugin_that_cannot_be_loaded_changes_nothing(tmp_path: Path, name: str) -> None:
    async with hub_with(tmp_path, "neighbour") as hub:
        serving = hub.hub.kernel.generations.current
        save(name, hub.plugins_dir)
        with capture_logs() as logs:
            report = await hub.hub.loader.reload()
        (error,) = report.errors
        assert str(error).startswith(REFUSED[name])
        (refused,) = [entry for entry in logs if entry["event"] == "reload refused"]
        assert refused["reason"] == str(error)
        assert hub.hub.kernel.generations.current is serving
        assert (await hub.send(GOOD))[0] == 250
        assert asked(hub) == ["good"]


async def test_a_task_left_behind_is_cancelled_when_its_plugin_is_replaced(tmp_path: Path) -> None:
    async with hub_with(tmp_path, "leaks_task", "neighbour") as hub:
        assert (await hub.send(GOOD))[0] == 250
        (lost,) = [task for task in asyncio.all_tasks() if task.get_name() == "lost"]
        with capture_logs() as logs:
            (hub.plugins_dir / "leaks_task.py").write_text((HERE / "leaks_task.py").read_text() + "# 2\n")
            assert (await hub.hub.loader.reload()).ok
            await asyncio.wait((lost,), timeout=10)
        assert lost.cancelled()
        assert (await hub.send(GOOD))[0] == 250
        (said,) = [entry for entry in logs if entry["event"] == "left a task behind, which is cancelled"]
        assert said["plugin"] == "leaks-task"
        assert said["task"] == "lost"
        assert said["where"] == f"{hub.plugins_dir}/leaks_task.py:6"
        (younger,) = [task for task in asyncio.all_tasks() if task.get_name() == "lost"]
        assert not younger.cancelling()  # of the plugin that serves now
        assert asked(hub) == ["good", "good"]
        younger.cancel()


async def test_a_thread_left_behind_is_named_when_its_plugin_goes(tmp_path: Path) -> None:
    async with hub_with(tmp_path, "leaks_thread", "neighbour") as hub:
        assert (await hub.send(GOOD))[0] == 250
        said: list[dict[str, object]] = []
        with capture_logs() as logs:
            (hub.plugins_dir / "leaks_thread.py").unlink()
            assert (await hub.hub.loader.reload()).ok
            async with asyncio.timeout(10):
                while not said:
                    await asyncio.sleep(0.01)
                    said = [dict(entry) for entry in logs if str(entry["event"]).startswith("left a thread")]
        (line,) = said
        assert line["plugin"] == "leaks-thread"
        assert line["thread"] == "lost"
        assert line["where"] == f"{hub.plugins_dir}/leaks_thread.py:6"
        assert (await hub.send(GOOD))[0] == 250
        assert asked(hub) == ["good", "good"]


async def test_a_flood_of_lines_is_cut_and_counted_and_the_mail_goes_on(tmp_path: Path) -> None:
    async with hub_with(tmp_path, "floods_log", "neighbour") as hub:
        with capture_logs() as logs:
            assert (await hub.send(BAD))[0] == 250
            assert (await hub.send(GOOD))[0] == 250
            (hub.plugins_dir / "floods_log.py").unlink()
            assert (await hub.hub.loader.reload()).ok
            async with asyncio.timeout(10):
                while "19800 lines suppressed" not in [entry["event"] for entry in logs]:
                    await asyncio.sleep(0.01)
        flood = [entry["event"] for entry in logs if entry.get("plugin") == "floods-log"]
        assert flood.count("and another thing") == 200
        assert flood.count("more than 200 lines in 10 s: the next are suppressed") == 1
        assert asked(hub) == ["bad", "good"]


async def test_a_flood_through_the_standard_library_s_logging_is_cut_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with hub_with(tmp_path, "floods_logging", "neighbour") as hub:
        with capture_logs() as logs:
            assert (await hub.send(BAD))[0] == 250
        assert len([record for record in caplog.records if record.name == "hub_plugin_floods_logging"]) == 200
        assert [entry["plugin"] for entry in logs if "suppressed" in entry["event"]] == ["floods-logging"]
        assert asked(hub) == ["bad"]
