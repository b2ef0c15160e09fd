"""`hub queue` beside a hub that sends."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.testing.running import RunningHub
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import ANN, sending, submit, tried, until


async def queue(running: RunningHub, *arguments: str) -> str:
    config = str(running.folder / "hub.toml")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["-c", config, "queue", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


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
