"""Several workers are one hub: they share ports and store, change plugins together, and end together."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import closing, suppress
from pathlib import Path
from typing import cast

import pytest

from hub.control import Refused, inquire, is_running
from hub.processes import merging
from hub.testing.running import running_hub
from tests.crew import ALICE, BOB, HUB, PATIENCE, Client, lives, save, serving, started, until

NOT_NOW = '''"""No mail for Alice."""
from hub import Defer, hookimpl

@hookimpl
async def smtp_rcpt(recipient):
    return Defer("4.2.1", "not now")
'''

ONLY_ONE = """import os
os.close(os.open({path!r}, os.O_CREAT | os.O_EXCL))
"""

ONCE = '''"""Write down who works."""
import os
from hub import hookimpl

@hookimpl
async def plugin_start(plugin):
    def work():
        with open({path!r}, "a") as file:
            file.write(f"{{os.getpid()}}\\n")
    plugin.every(0.05, work, once=True)
'''


@pytest.mark.proves("operation: with `workers = 2` two processes share the ports and one store")
async def test_mail_through_both_workers_lands_once_each(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as crew,
        crew.connected(0) as first,
        crew.connected(1) as second,
    ):
        for number in range(5):
            for name, client in (("first", first), ("second", second)):
                assert (await client.send(f"{name} {number}")).startswith("250 2.0.0 delivered as ")
        expected = {f"{name} {number}": 1 for name in ("first", "second") for number in range(5)}
        assert await crew.subjects() == expected
        status = await crew.ask("status")
        assert cast(int, status["sessions"]) >= 2
        assert status["pid"] == crew.process.pid
        assert len({crew.process.pid, *await crew.pids()}) == 3
        assert await inquire(crew.control, "flush-traces", timeout=PATIENCE) is True
        assert len(list(Path(f"/proc/{crew.process.pid}/task").iterdir())) == 1  # what forks has no threads
        shown = await asyncio.create_subprocess_exec(
            HUB, "-c", tmp_path / "hub.toml", "status", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await shown.communicate()
        for worker in await crew.workers():
            assert f"worker {worker['number']} serves: pid {worker['pid']}, " in said.decode()


@pytest.mark.proves("operation: a worker that is killed is replaced, and no mail that was answered is lost")
async def test_a_killed_worker_is_replaced_and_nothing_answered_is_lost(tmp_path: Path) -> None:
    answered: list[str] = []
    over = asyncio.Event()

    async def flow(port: int, name: str) -> None:
        """A message per connection, again and again; those that break are no matter."""
        for number in itertools.count():
            if over.is_set():
                return
            with suppress(ConnectionError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                client = Client(reader, writer)
                subject = f"{name} {number}"
                with closing(writer):
                    if (await client.line())[:3] == "220" and (await client.send(subject))[:3] == "250":
                        answered.append(subject)

    async def answered_after(count: int) -> bool:
        return len(answered) > count

    async with serving(tmp_path) as crew:
        port = await crew.port("smtp")
        before = await crew.workers()
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(flow(port, f"flow-{number}"))
            await until(lambda: answered_after(10))
            os.kill(before[1]["pid"], signal.SIGKILL)

            async def replaced() -> bool:
                return await crew.all_serve() and (await crew.workers())[1]["restarts"] == 1

            await until(replaced)
            there = len(answered)
            await until(lambda: answered_after(there + 10))
            over.set()
        after = await crew.workers()
        assert after[0]["pid"] == before[0]["pid"]
        assert after[1]["pid"] != before[1]["pid"]
        found = await crew.subjects()
        assert {subject: found[subject] for subject in answered} == dict.fromkeys(answered, 1)
        assert max(found.values()) == 1
        assert crew.log("worker ended")[0]["signal"] == "SIGKILL"


async def test_a_reload_reaches_all_workers_and_so_does_its_rollback(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        plugin = tmp_path / "plugins.d" / "not_now.py"
        save(plugin, NOT_NOW)
        report = await crew.ask("reload")
        assert report["errors"] == []
        assert await crew.verdicts() == ["450", "450"]
        plugins = cast("list[dict[str, object]]", await crew.ask("plugins"))
        assert plugins[-1]["name"] == "not-now"
        assert not [plugin for plugin in plugins if "differs" in plugin]
        hooks = cast("dict[str, list[dict[str, object]]]", await crew.ask("hooks"))
        (step,) = hooks["smtp_rcpt"]
        assert step["plugin"] == "not-now"
        assert "workers" not in step
        report = await crew.ask("rollback")
        assert report["changed"] == {"not-now": "removed"}
        assert await crew.verdicts() == ["250", "250"]


@pytest.mark.parametrize("how", ["saved", "SIGHUP"])
async def test_what_is_saved_is_live_in_all_workers(tmp_path: Path, how: str) -> None:
    async with serving(tmp_path) as crew:
        if how == "SIGHUP":
            config = (tmp_path / "hub.toml").read_text()
            assert "storage-sql" in config
            (tmp_path / "elsewhere").mkdir()
            save(tmp_path / "elsewhere" / "not_now.py", NOT_NOW)
            (tmp_path / "hub.toml").write_text(
                config.replace(str(tmp_path / "plugins.d"), str(tmp_path / "elsewhere"))
            )
            crew.process.send_signal(signal.SIGHUP)
        else:
            save(tmp_path / "plugins.d" / "not_now.py", NOT_NOW)

        async def live() -> bool:
            return await crew.verdicts() == ["450", "450"]

        await until(live)


async def test_a_plugin_that_one_worker_cannot_load_is_loaded_in_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        plugin = tmp_path / "plugins.d" / "not_now.py"
        save(plugin, NOT_NOW + ONLY_ONE.format(path=str(tmp_path / "taken")))
        report = await crew.ask("reload")
        assert "not_now.py" in str(report["errors"])
        assert (tmp_path / "taken").exists()  # one worker did load it
        assert [each["generation"] for each in await crew.workers()] == [1, 1]
        assert await crew.verdicts() == ["250", "250"]
        save(plugin, NOT_NOW)
        assert (await crew.ask("reload"))["errors"] == []
        assert await crew.verdicts() == ["450", "450"]


async def test_a_worker_that_starts_later_has_what_was_loaded_meanwhile(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        save(tmp_path / "plugins.d" / "not_now.py", NOT_NOW)
        assert (await crew.ask("reload"))["errors"] == []
        os.kill((await crew.pids())[0], signal.SIGKILL)  # it is who watches

        async def replaced() -> bool:
            return await crew.all_serve() and (await crew.workers())[0]["restarts"] == 1

        await until(replaced)
        assert await crew.verdicts() == ["450", "450"]
        (tmp_path / "plugins.d" / "not_now.py").unlink()

        async def gone() -> bool:
            return await crew.verdicts() == ["250", "250"]

        await until(gone)


@pytest.mark.proves("operation: IDLE in one worker sees what another delivers")
async def test_idle_in_one_worker_sees_a_delivery_by_another(tmp_path: Path) -> None:
    async with (
        serving(tmp_path) as crew,
        crew.connected(0, "imap") as reader,
        crew.connected(1) as sender,
    ):
        await reader.imap(f"LOGIN {ALICE} demo")
        await reader.imap("SELECT INBOX")
        reader.writer.write(b"a IDLE\r\n")
        assert (await reader.line()).startswith("+")
        assert (await sender.send("news")).startswith("250 ")
        assert await reader.line() == "* 1 EXISTS"


async def test_what_must_run_once_runs_in_one_worker(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        notes = tmp_path / "notes"
        save(tmp_path / "plugins.d" / "once.py", ONCE.format(path=str(notes)))
        assert (await crew.ask("reload"))["errors"] == []

        async def twenty() -> list[str]:
            lines = notes.read_text().splitlines() if notes.exists() else []
            return lines if len(lines) >= 20 else []

        (pid,) = set(await until(twenty))
        assert int(pid) in await crew.pids()


@pytest.mark.proves("operation: SIGTERM lets what is under way in any worker end, and leaves no process")
async def test_sigterm_lets_a_message_under_way_end_and_leaves_no_process(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        pids = await crew.pids()
        async with crew.connected(0) as first, crew.connected(1) as second:
            clients = (first, second)
            for client in clients:
                for command in ("EHLO c.example.test", f"MAIL FROM:<{BOB}>", f"RCPT TO:<{ALICE}>", "DATA"):
                    reply = await client.smtp(command)
                assert reply.startswith("354")
            port = await crew.port("smtp")
            crew.process.terminate()

            async def closed() -> bool:
                with suppress(ConnectionError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    return False
                return True

            await until(closed)
            for client in clients:
                assert (await client.smtp("Subject: last\r\n\r\nwords\r\n.")).startswith("250 ")
                assert (await client.line()).startswith("421 ")
        assert await asyncio.wait_for(crew.process.wait(), PATIENCE) == 0
        assert not [pid for pid in pids if lives(pid)]
        assert not list((tmp_path / "data").glob("*.sock"))


async def test_workers_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        pids = await crew.pids()
        crew.process.kill()
        await crew.process.wait()

        async def ended() -> bool:
            return not any(lives(pid) for pid in pids)

        await until(ended)
        assert not is_running(crew.control)
    async with started(tmp_path) as crew:
        assert await crew.verdicts() == ["250", "250"]


async def test_a_start_that_fails_says_why_and_ends(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tables={"hub": {"workers": 2}}):
        pass
    config = tmp_path / "hub.toml"
    config.write_text(config.read_text().replace('"storage-sql"', '"storage-sql", "deny-lst"'))
    process = await asyncio.create_subprocess_exec(
        HUB, "-c", config, "serve", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert "there is no plugin 'deny-lst'" in said.decode().splitlines()[-1]
    assert not list((tmp_path / "data").glob("*.sock"))


async def test_a_worker_that_dies_at_once_again_and_again_is_started_less_and_less_often(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as crew:
        for restarts in (1, 2, 3):
            os.kill((await crew.pids())[1], signal.SIGKILL)

            async def replaced(count: int = restarts) -> bool:
                return await crew.all_serve() and (await crew.workers())[1]["restarts"] == count

            await until(replaced)
        assert [line["seconds"] for line in crew.log("worker is replaced")] == [0.0, 0.25, 0.5]
        assert [line["deaths"] for line in crew.log("a worker dies again and again")] == [3]
        assert await crew.verdicts() == ["250", "250"]


async def test_a_port_that_somebody_has_is_not_shared_with_another_hub(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        port = await crew.port("smtp")
        settings = (tmp_path / "hub.toml").read_text()
        assert "127.0.0.1:0" in settings
        (tmp_path / "other.toml").write_text(
            settings.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1).replace(
                str(tmp_path / "data"), str(tmp_path / "other")
            )
        )
        process = await asyncio.create_subprocess_exec(
            HUB, "-c", tmp_path / "other.toml", "serve",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 1
        assert "Address already in use" in said.decode()


def test_differences_between_workers_are_shown() -> None:
    plugin = {"name": "a", "version": "1", "generation": 1, "health": "ok"}
    sick = {**plugin, "generation": 4, "health": "breaker open"}
    assert merging.plugins({0: [plugin], 1: [{**plugin, "generation": 7}]}) == [plugin]
    assert merging.plugins({0: [plugin], 1: [sick]}) == [{**plugin, "differs": {"1": "health breaker open"}}]
    assert merging.plugins({0: [], 1: [plugin]}) == [{**plugin, "differs": {"0": "does not have it"}}]
    step = {"plugin": "a"}
    assert merging.hooks({0: {"h": [step]}, 1: {"h": [step]}}) == {"h": [step]}
    assert merging.hooks({0: {"h": [step]}, 1: {}}) == {"h": [{"plugin": "a", "workers": [0]}]}


async def test_a_raised_log_level_reaches_every_worker(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        with pytest.raises(Refused, match="no plugin 'clamva'"):
            await inquire(crew.control, "raise-log", timeout=8, plugin="clamva")
        await inquire(crew.control, "raise-log", timeout=8, sender="someone@elsewhere.example")
        assert len(crew.log("log level raised")) == 2
