"""`hub queue` beside a hub that sends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.testing.clock import ManualClock
from hub.testing.ports import free_port
from hub.testing.running import RunningHub
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ALICE, ANN, BEN, sending, submit, tried, until


async def queue(running: RunningHub, *arguments: str, code: int = 0) -> str:
    config = str(running.folder / "hub.toml")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["-c", config, "queue", *arguments])
    assert result.exit_code == code, result.output
    return result.output


ONCE = {"first_retry": "10m", "pause": "10m"}
"""Nothing is tried again while a test looks."""


@needs_sink
@pytest.mark.proves("operation: `hub queue stats` says why mail to a destination waits, and since when")
async def test_the_stats_say_what_waits_and_why(tmp_path: Path) -> None:
    with sinking(tmp_path / "sink", "-r", "MAIL", "-b", "451 4.7.1 too fast") as sink:
        async with sending(tmp_path / "hub", sink.port, relay={"per_host": 1, **ONCE}) as running:
            await submit(running, ANN)
            await submit(running, "ben@another.example", text="Precedence: list\r\n\r\nNews.\r\n")
            await until(lambda: tried(running, 1))
            said = cast("dict[str, Any]", json.loads(await queue(running, "stats", "--json")))
            assert said["rows"] == 2
            assert said["domains"] == {"elsewhere.example": 1, "another.example": 1}
            assert said["priorities"] == {"personal": 1, "bulk": 1}
            assert said["ages"]["under 5 minutes"] == 2
            (destination,) = said["destinations"]
            assert destination["destination"] == f"127.0.0.1:{sink.port}"
            assert destination["trouble"].startswith("451 4.7.1 ")
            assert destination["paused"] > 0
            assert destination["deferred"] == 2
            one = json.loads(await queue(running, "stats", "--json", "--domain", "another.example"))
            assert one["domains"] == {"another.example": 1}
            assert json.loads(await queue(running, "list", "--json", "--state", "held")) == []
            shown = await queue(running, "stats")
    assert "451 4.7.1" in shown
    assert "under 5 minutes" in shown


async def recipients(running: RunningHub, *arguments: str) -> list[str]:
    """Of the rows that `hub queue list` lists."""
    return sorted(
        each["recipient"] for each in json.loads(await queue(running, "list", "--json", *arguments))
    )


@pytest.mark.proves("operation: chosen mail is held, released, dropped or sent at once (`hub queue`)")
async def test_chosen_rows_are_held_released_dropped_and_retried(tmp_path: Path) -> None:
    others = "ben@another.example", "eve@another.example"
    async with sending(tmp_path, 9, relay={"enabled": False}) as running:
        first = await submit(running, ANN, *others)
        second = await submit(running, "ann@third.example")
        assert await queue(running, "hold", "--domain", "Another.example") == "hold: 2 rows\n"
        assert await recipients(running, "--state", "held") == sorted(others)
        assert await recipients(running, "--state", "held", "--to", others[0]) == [others[0]]
        assert await recipients(running, "--from", ALICE, "--message", second) == ["ann@third.example"]
        assert "held" in await queue(running, "show", first)
        assert await queue(running, "release", "--to", others[1]) == "release: 1 row\n"
        assert await recipients(running, "--state", "held") == [others[0]]
        assert await queue(running, "drop", "--message", first, "--to", others[1]) == "drop: 1 row\n"
        assert await queue(running, "drop", "--message", first, "--to", others[1], code=1) == "drop: 0 rows\n"
        assert await recipients(running) == sorted([ANN, others[0], "ann@third.example"])
        assert await queue(running, "drop", "--all") == "drop: 3 rows\n"
        assert await running.mailbox(user=ALICE) == [], "nobody is told"


async def test_a_verb_wants_to_be_told_which_rows(tmp_path: Path) -> None:
    async with sending(tmp_path, 9, relay={"enabled": False}) as running:
        await submit(running, ANN)
        for verb in ("retry", "hold", "release", "drop"):
            assert "say which rows" in await queue(running, verb, code=2)
            assert "say which rows" in await queue(running, verb, "--all", "--to", ANN, code=2)
        assert await recipients(running) == [ANN]
        await queue(running, "show", "nobody", code=1)


@needs_sink
async def test_what_is_held_stays_while_the_rest_is_flushed_and_goes_when_it_is_retried(
    tmp_path: Path, manual_clock: ManualClock
) -> None:
    later, port = {"first_retry": "2h", "pause": "1s", "unreachable": "1s"}, free_port()
    async with sending(tmp_path / "hub", port, manual_clock, relay={**later, "give_up": "5d"}) as running:

        async def left(*addresses: str) -> None:
            async def look() -> bool:
                await manual_clock.turn(10)
                return await recipients(running) == sorted(addresses)

            await until(look)

        with sinking(tmp_path / "busy", "-r", "MAIL", port=port):
            await submit(running, ANN)
            await submit(running, BEN)
            await until(lambda: tried(running, 1))
        assert await queue(running, "hold", "--to", BEN) == "hold: 1 row\n"
        with sinking(tmp_path / "free", port=port) as sink:
            began = manual_clock.monotonic()
            assert await queue(running, "flush") == "flush: 2 rows\n"
            await left(BEN)
            assert manual_clock.monotonic() - began < 3600, "long before its time"
            assert await queue(running, "retry", "--state", "held") == "retry: 1 row\n"
            await left(BEN)
            assert await queue(running, "release", "--all") == "release: 1 row\n"
            await left()
            assert len(sink.messages()) == 2
