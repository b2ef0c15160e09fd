"""What one process cannot contain costs that worker alone: it is named, replaced, and senders retry."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import cast

import pytest

from hub.control import inquire
from hub.testing.load import MailLoad, mail_load
from tests.crew import ALICE, HUB, PATIENCE, Client, Crew, lives, serving, started, until

HERE = Path(__file__).parent


@asynccontextmanager
async def crew_with(folder: Path, *names: str, **settings: object) -> AsyncIterator[Crew]:
    """Two workers with the neighbour and some of the plugins here."""
    plugins = {f"{name}.py": (HERE / f"{name}.py").read_text() for name in (*names, "neighbour")}
    async with serving(folder, plugins=plugins, tables={}, enabled=(), **settings) as crew:
        yield crew


async def send(crew: Crew, subject: str) -> str:
    """The reply to a message on a connection of its own; empty if the connection was closed instead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await port(crew))
    with closing(writer):
        client = Client(reader, writer)
        try:
            await client.line()
            return await client.send(subject)
        except ConnectionError:
            return ""


async def port(crew: Crew) -> int:
    """Of SMTP; while a worker is replaced the other one answers."""

    async def known() -> int:
        try:
            return await crew.port("smtp")
        except Exception:
            return 0

    return await until(known)


def asked(crew: Crew) -> Counter[str]:
    """The subjects that the neighbour was asked about, in any worker."""
    return Counter((crew.folder / "data" / "plugins" / "neighbour" / "seen").read_text().split())


def once(lines: Callable[[], list[dict[str, object]]]) -> Callable[[], Awaitable[dict[str, object] | None]]:
    async def first() -> dict[str, object] | None:
        return next(iter(lines()), None)

    return first


async def nothing_is_lost(crew: Crew, load: MailLoad) -> None:
    """What was accepted lies in the mailbox once, and the neighbour was asked about it."""
    # Who has to go says so to those that are connected.
    assert {reply[:9] for reply in load.refused.values()} <= {"421 4.3.2"}
    there, seen = await crew.subjects(), asked(crew)
    for number in map(str, load.accepted):
        assert there[number] == 1
        assert seen[number] >= 1
    assert set(there) - {"bad"} - {str(number) for number in load.accepted} <= {
        str(n) for n in load.unanswered
    }


@pytest.mark.proves(
    "operation: a plugin that blocks a worker is named with its line, and the worker is replaced"
)
async def test_a_blocked_worker_is_named_with_its_place_and_replaced(tmp_path: Path) -> None:
    async with crew_with(tmp_path, "blocks", blocked_limit=3) as crew:
        async with mail_load(await port(crew), sessions=4) as load:
            await load.until_accepted(10)
            assert await send(crew, "bad") == ""
            await load.until_accepted(10)
        place = f"blocks ({tmp_path}/plugins.d/blocks.py:8)"
        blocked = await until(once(lambda: crew.log("a worker's loop is blocked")))
        assert blocked["by"] == place
        assert "in check_message" in str(blocked["stack"])
        ended = await until(once(lambda: crew.log("worker ended")))
        assert ended["signal"] == "SIGKILL"
        assert ended["reason"] == f"blocked for 3 s by {place}"
        await until(crew.all_serve)
        (replaced,) = [worker for worker in await crew.workers() if worker["restarts"]]
        assert replaced["number"] == blocked["worker"] == ended["worker"]
        shown = await asyncio.create_subprocess_exec(
            HUB, "-c", tmp_path / "hub.toml", "status", stdout=asyncio.subprocess.PIPE
        )
        said, _ = await shown.communicate()
        assert f"1 restarts, the last one: blocked for 3 s by {place}" in said.decode()
        await nothing_is_lost(crew, load)


async def test_an_exit_out_of_the_loop_costs_the_worker_and_no_message_is_blamed(tmp_path: Path) -> None:
    async with crew_with(tmp_path, "exits_later") as crew:
        async with mail_load(await port(crew), sessions=4) as load:
            await load.until_accepted(5)
            await send(crew, "bad")
            ended = await until(once(lambda: crew.log("worker ended")))
            await until(crew.all_serve)
            await load.until_accepted(5)
        assert ended["code"] == 3
        assert not crew.log("died while judging")
        await nothing_is_lost(crew, load)


async def test_a_loop_that_is_blocked_for_a_while_is_named_and_goes_on(tmp_path: Path) -> None:
    async with crew_with(tmp_path, "blocks_a_while") as crew:
        assert (await send(crew, "bad")).startswith("250 ")
        blocked = await until(once(lambda: crew.log("a worker's loop is blocked")))
        assert blocked["by"] == f"blocks-a-while ({tmp_path}/plugins.d/blocks_a_while.py:8)"
        await until(once(lambda: crew.log("the worker's loop goes on")))
        assert [worker["restarts"] for worker in await crew.workers()] == [0, 0]
        assert asked(crew) == {"bad": 1}


@pytest.mark.parametrize(
    ("name", "end"), [("calls_os_exit", {"code": 3}), ("crashes", {"signal": "SIGSEGV"})]
)
@pytest.mark.proves("operation: a message that the hub dies of three times is kept unjudged, in quarantine")
async def test_what_the_hub_dies_of_three_times_is_kept_unjudged(
    tmp_path: Path, name: str, end: dict[str, object]
) -> None:
    plugin = f"{name.replace('_', '-')} ({name}.py:5)"
    async with crew_with(tmp_path, name) as crew:
        async with mail_load(await port(crew), sessions=4) as load:
            for _ in range(3):
                await load.until_accepted(5)
                assert await send(crew, "bad") == ""
            await until(lambda: told(crew))
            answer = await send(crew, "bad")
            assert answer.startswith("250 2.0.0 delivered as ")
            await load.until_accepted(5)
        deaths = crew.log("died while judging")  # the neighbour judged this message and others beside it
        assert [(line["plugin"], line["deaths"]) for line in deaths] == [(plugin, n) for n in (1, 2, 3)]
        assert len({line["content"] for line in deaths}) == 1
        ended = crew.log("worker ended")
        assert [{key: line[key] for key in end} for line in ended] == [end] * 3
        stood = crew.log("where the worker stood")[0]
        assert stood["by"] == f"{name.replace('_', '-')} ({tmp_path}/plugins.d/{name}.py:8)"
        assert f'{name}.py", line 8 in check_message' in str(stood["stack"])
        assert await crew.subjects("Quarantine") == {"bad": 1}
        (why,) = await fields(crew, "Quarantine", "X-Hub-Unjudged")
        (said,) = end.items()
        assert why == f"the hub died 3 times while judging it in {plugin}; last: {said[0]} {said[1]}"
        await nothing_is_lost(crew, load)
        trace = await asyncio.create_subprocess_exec(
            HUB,
            "-c",
            tmp_path / "hub.toml",
            "trace",
            answer.rpartition(" ")[2],
            stdout=asyncio.subprocess.PIPE,
        )
        said_of_it, _ = await trace.communicate()
        assert "set aside" in said_of_it.decode()
    async with started(tmp_path) as crew:
        assert (await send(crew, "bad")).startswith("250 ")  # what was learnt is not forgotten
        assert await crew.subjects("Quarantine") == {"bad": 2}
        assert (await crew.ask("status"))["set_aside"] == 1


async def told(crew: Crew) -> bool:
    """Whether both workers know that there is a message not to be judged."""
    if not await crew.all_serve():
        return False
    said = [
        await inquire(crew.control.with_name(f"worker-{n}.sock"), "status", timeout=PATIENCE) for n in (0, 1)
    ]
    return [cast("dict[str, int]", each)["set_aside"] for each in said] == [1, 1]


async def fields(crew: Crew, mailbox: str, name: str) -> list[str]:
    """The values of one header field of Alice's messages, unfolded."""
    reader, writer = await asyncio.open_connection("127.0.0.1", await crew.port("imap"))
    with closing(writer):
        client = Client(reader, writer)
        await client.line()
        await client.imap(f"LOGIN {ALICE} demo")
        await client.imap(f"EXAMINE {mailbox}")
        lines = await client.imap(f"UID FETCH 1:* BODY.PEEK[HEADER.FIELDS ({name})]")
    return [line.removeprefix(f"{name}: ") for line in lines if line.startswith(f"{name}: ")]


async def test_a_hub_of_one_process_sets_aside_what_it_dies_of_over_its_restarts(tmp_path: Path) -> None:
    plugins = {"calls_os_exit.py": (HERE / "calls_os_exit.py").read_text()}
    async with serving(tmp_path, plugins=plugins, workers=1) as crew:
        assert await send(crew, "bad") == ""
        assert await crew.process.wait() == 3
    for _ in range(2):
        async with started(tmp_path) as crew:
            assert await send(crew, "bad") == ""
            assert await crew.process.wait() == 3
    async with started(tmp_path) as crew:
        assert (await send(crew, "bad")).startswith("250 ")
        assert (await send(crew, "good")).startswith("250 ")
        assert await crew.subjects() == {"good": 1}
        assert await crew.subjects("Quarantine") == {"bad": 1}
        (why,) = await fields(crew, "Quarantine", "X-Hub-Unjudged")
        assert why.startswith("the hub died 3 times while judging it in calls-os-exit (calls_os_exit.py:5)")
        assert [line["deaths"] for line in crew.log("died while judging")] == [1, 2, 3]


async def test_a_hub_of_one_process_says_that_its_loop_is_blocked_and_by_whom(tmp_path: Path) -> None:
    plugins = {"blocks_a_while.py": (HERE / "blocks_a_while.py").read_text()}
    async with serving(tmp_path, plugins=plugins, workers=1) as crew:
        assert (await send(crew, "bad")).startswith("250 ")
        blocked = await until(once(lambda: crew.log("the loop is blocked")))
        assert blocked["by"] == f"blocks-a-while ({tmp_path}/plugins.d/blocks_a_while.py:8)"
        await until(once(lambda: crew.log("the loop goes on")))


async def test_a_hub_of_one_process_shows_who_keeps_python_s_lock(tmp_path: Path) -> None:
    plugins = {"blocks.py": (HERE / "blocks.py").read_text()}
    async with serving(tmp_path, plugins=plugins, workers=1) as crew:
        sending = asyncio.create_task(send(crew, "bad"))

        async def shown() -> bool:
            return 'blocks.py", line 8 in check_message' in (tmp_path / "log").read_text()

        try:
            await until(shown)
        finally:
            crew.process.kill()
        assert await sending == ""


async def test_a_call_that_eats_memory_fails_and_nobody_else_does(tmp_path: Path) -> None:
    async with crew_with(tmp_path, "eats_memory", worker_memory="512MiB") as crew:
        async with mail_load(await port(crew), sessions=4) as load:
            await load.until_accepted(5)
            assert (await send(crew, "bad")).startswith("451 4.7.1 ")
            await load.until_accepted(5)
        (failed,) = crew.log("hook failed")
        assert failed["plugin"] == "eats-memory"
        assert failed["reason"] == "MemoryError"
        assert failed["where"] == f"{tmp_path}/plugins.d/eats_memory.py:7"
        assert [worker["restarts"] for worker in await crew.workers()] == [0, 0]
        assert asked(crew)["bad"] == 1
        await nothing_is_lost(crew, load)


async def test_a_worker_whose_memory_is_full_is_replaced_before_it_has_none(tmp_path: Path) -> None:
    async with crew_with(tmp_path, "keeps_memory", worker_memory="256MiB") as crew:
        async with mail_load(await port(crew), sessions=4) as load:

            async def full() -> dict[str, object] | None:
                assert (await send(crew, "bad")).startswith(("250 ", "421 "))
                return next(iter(crew.log("a worker is replaced")), None)

            replaced = await until(full)
            await until(once(lambda: crew.log("worker ended")))
            await until(crew.all_serve)
            await load.until_accepted(5)
        assert replaced["reason"] == "it held more than hub.worker_memory allows"
        assert not crew.log("died while judging")
        assert {line["code"] for line in crew.log("worker ended")} == {0}  # it has ended what it was doing
        await nothing_is_lost(crew, load)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_thread_left_behind_does_not_keep_the_hub_from_ending(tmp_path: Path, workers: int) -> None:
    plugins = {"leaks_executor.py": (HERE / "leaks_executor.py").read_text()}
    async with serving(tmp_path, plugins=plugins, workers=workers) as crew:
        assert (await send(crew, "good")).startswith("250 ")
        pids = [crew.process.pid, *await crew.pids()]
        crew.process.terminate()
        assert await asyncio.wait_for(crew.process.wait(), PATIENCE) == 0
        assert not [pid for pid in pids if lives(pid)]
        (line,) = crew.log("threads do not end; the process does")
        assert set(cast("list[str]", line["threads"])) - {"MainThread"}
        assert not crew.log("died while judging")
