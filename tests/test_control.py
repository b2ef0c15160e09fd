"""The control socket answers its own user, one line at a time, and never falls over."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from hub.control import ControlServer, NotRunning, Refused, ask


async def double(request: Mapping[str, object]) -> object:
    value = request["value"]
    if not isinstance(value, int):
        raise ValueError("value is a number")
    return 2 * value


async def test_a_verb_is_answered_and_an_exception_becomes_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = ControlServer(path, {"double": double})
    await server.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await asyncio.to_thread(ask, path, "double", value=21) == 42
    with pytest.raises(Refused, match="value is a number"):
        await asyncio.to_thread(ask, path, "double", value="x")
    with pytest.raises(Refused, match="knows the verbs double"):
        await asyncio.to_thread(ask, path, "halve")
    await server.close()
    assert not path.exists()


async def test_nonsense_gets_an_answer_and_the_connection_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = ControlServer(path, {"double": double})
    await server.start()
    reader, writer = await asyncio.open_unix_connection(path)
    for line in (b"nonsense\n", b"[1]\n", b"3\n", b'{"verb": "double", "value": 1}\n'):
        writer.write(line)
        answer = await reader.readline()
        assert answer == b'{"ok": 2}\n' or b"one JSON object" in answer
    writer.close()
    await writer.wait_closed()
    await server.close()


async def test_nobody_there_is_said_so_and_a_second_hub_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with pytest.raises(NotRunning, match="no hub is running"):
        ask(path, "status")
    first, second = ControlServer(path, {}), ControlServer(path, {})
    await first.start()
    with pytest.raises(RuntimeError, match="another hub is running"):
        await second.start()
    await first.close()


async def test_what_a_killed_hub_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    first = ControlServer(path, {})
    await first.start()
    stale = tmp_path / "stale"
    path.rename(stale)
    await first.close()
    stale.rename(path)
    second = ControlServer(path, {"double": double})
    await second.start()
    assert await asyncio.to_thread(ask, path, "double", value=1) == 2
    await second.close()
