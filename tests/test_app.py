"""The hub starts whole or not at all, and stops without losing anything."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from hub.control import ask, is_running
from hub.loading.errors import LoadErrors
from hub.testing.running import running_hub


async def test_a_start_that_fails_says_why_and_leaves_nothing_open(tmp_path: Path) -> None:
    with pytest.raises(LoadErrors, match=r"there is no plugin 'deny-lst'.*Did you mean 'deny-list'\?"):
        async with running_hub(tmp_path, plugins=["deny-lst"]):
            pass
    assert not is_running(tmp_path / "data" / "control.sock")
    async with running_hub(tmp_path, plugins=["deny-list"]) as hub:
        assert (await hub.send())[0] == 250


async def test_a_second_hub_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        with pytest.raises(RuntimeError, match="another hub is running"):
            async with running_hub(tmp_path):
                pass
        assert (await hub.send())[0] == 250


async def test_the_control_socket_shows_what_serves(tmp_path: Path) -> None:
    control = tmp_path / "data" / "control.sock"
    async with running_hub(tmp_path, plugins=["deny-list"]) as hub:
        status = await asyncio.to_thread(ask, control, "status")
        assert isinstance(status, dict)
        assert status["generation"] == 1
        assert status["unwell"] == {}
        assert {each["address"] for each in status["listeners"]} >= {f"127.0.0.1:{hub.port()}"}
        plugins = await asyncio.to_thread(ask, control, "plugins")
        assert isinstance(plugins, list)
        assert [each["name"] for each in plugins][-1] == "deny-list"
        hooks = await asyncio.to_thread(ask, control, "hooks")
        assert isinstance(hooks, dict)
        assert [step["plugin"] for step in hooks["smtp_rcpt"]] == ["deny-list"]
        assert await asyncio.to_thread(ask, control, "flush-traces") is True


@pytest.mark.proves("operation: `hub plugins rollback` goes back to the plugins that served before")
async def test_a_reload_is_rolled_back_through_the_control_socket(tmp_path: Path) -> None:
    control = tmp_path / "data" / "control.sock"
    async with running_hub(tmp_path) as hub:
        (hub.plugins_dir / "no_alice.py").write_text(
            '"""No mail for Alice."""\nfrom hub import Defer, hookimpl\n\n@hookimpl\n'
            'async def smtp_rcpt(recipient):\n    return Defer("4.2.1", "not now")\n'
        )
        report = await asyncio.to_thread(ask, control, "reload")
        assert isinstance(report, dict)
        assert report["errors"] == []  # the watcher may have been first
        assert await hub.send() == (450, "4.2.1 not now")
        report = await asyncio.to_thread(ask, control, "rollback")
        assert isinstance(report, dict)
        assert report["changed"] == {"no-alice": "removed"}
        assert (await hub.send())[0] == 250


async def test_stopping_lets_a_message_under_way_end(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port())
        writer.write(
            b"EHLO c.example.test\r\nMAIL FROM:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
        )
        while not (await reader.readline()).startswith(b"354"):
            pass
        stopping = asyncio.create_task(hub.hub.stop())
        while True:  # until nobody listens any more
            try:
                (await asyncio.open_connection("127.0.0.1", hub.port()))[1].close()
            except OSError:
                break
        writer.write(b"Subject: last\r\n\r\nwords\r\n.\r\n")
        assert (await reader.readline()).startswith(b"250 2.0.0 delivered as ")
        assert (await reader.readline()).startswith(b"421 ")
        writer.close()
        await stopping


async def test_a_port_is_free_again_after_the_stop(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        port = hub.port()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
