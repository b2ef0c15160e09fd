"""`hub auth`, as operators use it beside a hub that serves."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.testing.clock import ManualClock
from hub.testing.dialogue import dialogue
from hub.testing.running import RunningHub, running_hub
from tests.crew import Crew, started, until

GUESSER = "127.0.0.7"
TABLES = {"plugins": {"auth-guard": {"exempt": ["127.0.0.1"], "failures": 3}}}
WRONG = "AUTH PLAIN " + base64.b64encode(b"\0alice@example.test\0guess").decode()


async def guess(hub: RunningHub, times: int = 3) -> None:
    for _ in range(times):
        await dialogue(hub.port("submission"), ["EHLO client.example.test", WRONG], source=GUESSER)
    await hub.told()


async def greeting(hub: RunningHub, source: str = GUESSER) -> str:
    return (await dialogue(hub.port("submission"), source=source))[0][:3]


async def learned(hub: RunningHub, clock: ManualClock, expected: str) -> None:
    """The hub looks at the tables every second, in a thread that a clock that is turned does not wait for."""
    for _ in range(50):
        await clock.turn(1)
        if await greeting(hub) == expected:
            return
    raise AssertionError(f"nobody gets {expected}")


async def hub_auth(hub: RunningHub, *words: str) -> Result:
    """Run `hub auth …` beside the hub."""
    command = ["--config", str(hub.folder / "hub.toml"), "auth", *words]
    return await asyncio.to_thread(CliRunner().invoke, main, command)


@pytest.mark.proves("authentication: `hub auth bans | ban | release | failures` beside a running hub")
async def test_the_operator_bans_and_releases_beside_a_running_hub(tmp_path: Path) -> None:
    clock = ManualClock(time.time())  # that of the verbs is the machine's
    async with running_hub(tmp_path, plugins=["auth-guard"], tables=TABLES, clock=clock) as hub:
        assert (await hub_auth(hub, "bans")).output == "Nobody is banned.\n"
        assert (await hub_auth(hub, "failures")).output == "No login has failed.\n"
        made = await hub_auth(hub, "ban", "127.0.0.0/29", "--for", "2h", "--reason", "noise\x1b[2J")
        assert made.output.startswith("127.0.0.0/29 is banned until "), made.output
        assert await greeting(hub) == "220"
        await learned(hub, clock, "421")
        assert await greeting(hub, source="127.0.0.1") == "220", "it is exempt"
        (ban,) = json.loads((await hub_auth(hub, "bans", "--json")).output)
        assert (ban["network"], ban["reason"]) == ("127.0.0.0/29", "noise\ufffd[2J")
        assert "127.0.0.0/29" in (await hub_auth(hub, "bans")).output
        near = await hub_auth(hub, "release", GUESSER)
        assert "what is banned is 127.0.0.0/29" in near.output
        assert (await hub_auth(hub, "release", "127.0.0.0/29")).output == "127.0.0.0/29 is free.\n"
        await learned(hub, clock, "220")
        await guess(hub)
        assert await greeting(hub) == "421"
        told = (await hub_auth(hub, "failures", "ALICE@example.test")).output
        assert told.count("submission PLAIN") == 3
        assert "wrong password" in told
        assert (
            len(json.loads((await hub_auth(hub, "failures", GUESSER, "--limit", "2", "--json")).output)) == 2
        )
        assert (await hub_auth(hub, "release", GUESSER)).exit_code == 0
        await learned(hub, clock, "220")
        await guess(hub, 2)
        assert await greeting(hub) == "220", "its failures were forgotten"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["ban", "nowhere"], "nowhere is neither an address nor a network"),
        (["ban", "10.0.0.0/99"], "10.0.0.0/99 is no network"),
        (["ban", "127.0.0.1"], "127.0.0.1/32 is exempt"),
        (["ban", "192.0.2.1", "--for", "0"], "a ban lasts some time"),
        (["release", "192.0.2.1"], "192.0.2.1/32 is not banned"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path: Path, words: list[str], reason: str) -> None:
    path = tmp_path / "hub.toml"
    path.write_text(f'[hub]\ndata_dir = "{tmp_path / "data"}"\n')
    result = CliRunner().invoke(main, ["--config", str(path), "auth", *words])
    assert result.exit_code == 1
    assert reason in result.stderr


def test_a_duration_that_is_none_is_a_misused_option() -> None:
    result = CliRunner().invoke(main, ["auth", "ban", "192.0.2.1", "--for", "long"])
    assert result.exit_code == 2
    assert "'--for': 'long' should be a duration" in result.stderr


@pytest.mark.proves("authentication: a ban holds on all workers and after a restart, until it is released")
async def test_a_ban_holds_on_all_workers_and_after_a_restart(tmp_path: Path) -> None:
    tables = {**TABLES, "hub": {"workers": 2}, "log": {"format": "json"}}
    async with running_hub(tmp_path, plugins=["auth-guard"], tables=tables):
        pass  # the configuration, the store and the accounts

    async def everybody_says(crew: Crew, code: str) -> bool:
        port = await crew.port("submission")  # the kernel chooses the worker
        return all([(await dialogue(port, source=GUESSER))[0][:3] == code for _ in range(12)])

    async with started(tmp_path) as crew:
        port = await crew.port("submission")
        assert await everybody_says(crew, "220")
        for _ in range(3):
            reply = await dialogue(port, ["EHLO client.example.test", WRONG], source=GUESSER)
            assert reply[-1].startswith("535")
        await until(lambda: everybody_says(crew, "421"))
    async with started(tmp_path) as crew:
        assert await everybody_says(crew, "421")
        command = ["--config", str(tmp_path / "hub.toml"), "auth", "release", GUESSER]
        assert (await asyncio.to_thread(CliRunner().invoke, main, command)).exit_code == 0
        await until(lambda: everybody_says(crew, "220"))
