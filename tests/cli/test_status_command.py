"""`hub status`: what a running hub is doing, for people and for scripts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.cli.main import main
from hub.testing.running import RunningHub, running_hub

NEEDY = '''
"""Needs something outside."""
from hub import hookimpl

@hookimpl
def smtp_helo(plugin, name):
    plugin.dependency("oracle", None if name == "well" else "does not answer")
'''


async def status(running: RunningHub, *options: str) -> str:
    config = str(running.folder / "hub.toml")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["-c", config, "status", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


async def figures(running: RunningHub) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await status(running, "--json"))
    return found


@pytest.mark.proves("operation: `hub status` shows listeners, plugins, what they need, store and queue")
async def test_the_store_and_the_queue_are_shown(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as running:
        await running.send()
        await running.smtp(
            lambda client: (
                client.ehlo("c"),
                client.login("alice@example.test", "demo"),
                client.sendmail("alice@example.test", ["x@elsewhere.example"], "Subject: x\r\n\r\ny\r\n"),
            ),
            "submission",
        )
        said = await figures(running)
        shown = await status(running)
    assert said["store"]["messages"] == 1
    assert said["store"]["octets"] > 100
    assert said["store"]["free"] > 1 << 20
    assert said["store"]["blobs"]["segments"] >= 1
    assert said["queue"]["rows"] == 1
    assert said["queue"]["age"] >= 0
    (storage,) = said["dependencies"]
    assert storage["plugin"] == "storage-sql"
    assert storage["trouble"] is None
    for part in ("listeners  smtp: smtp on 127.0.0.1:", "1 messages of ", "1 recipients wait", "answers"):
        assert part in shown


async def test_what_a_plugin_needs_is_shown_with_its_trouble(tmp_path: Path) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    (folder / "needy.py").write_text(NEEDY)
    async with running_hub(tmp_path) as running:
        for name, trouble in (("ill", "does not answer"), ("well", None)):
            await running.smtp(lambda client, name=name: client.ehlo(name))  # type: ignore[misc]
            said = await figures(running)
            assert {"plugin": "needy", "name": "oracle", "trouble": trouble} in said["dependencies"]
            assert f"oracle (needy): {trouble or 'answers'}" in await status(running)
