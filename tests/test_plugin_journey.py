"""A plugin's way from nothing to somebody else's running hub, and out again, each step timed."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import pytest

from hub.testing.running import RunningHub, running_hub
from tests.crew import HUB, Crew, serving, until
from tests.peers.chromium import running_chromium
from tests.plugin_registry.making import generate, served, write_list

MODULE = "hub_plugin_hello.py"
Timed: TypeAlias = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def timed(capsys: pytest.CaptureFixture[str]) -> Timed:
    """Prints how long a step took, however pytest captures."""

    @contextmanager
    def step(what: str) -> Iterator[None]:
        began = perf_counter()
        yield
        with capsys.disabled():
            sys.stdout.write(f"\n{perf_counter() - began:6.2f} s  {what}")

    return step


async def run(*command: str | Path, folder: Path) -> str:
    """What a command prints, typed in a folder; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


async def answers(crew: Crew) -> set[str]:
    """What the workers of the second hub say to somebody who sends to nobody@."""
    said = set()
    for worker in range(2):
        async with crew.connected(worker) as client:
            said.add(await client.send("hello", "nobody@example.test"))
    return said


async def refused_by(hub: RunningHub, text: str) -> bool:
    """Whether the first hub refuses nobody@ with this text by now."""
    return text in (await hub.send(to="nobody@example.test"))[1]


@pytest.mark.proves("plugins: written, tested, shared and installed into somebody else's running hub")
async def test_a_plugin_goes_from_nothing_into_somebody_elses_running_hub(
    tmp_path: Path, timed: Timed
) -> None:
    plugins, shared = tmp_path / "mine" / "plugins.d", tmp_path / "shared"
    hello, listed = plugins / "hello", tmp_path / "registry.toml"
    async with running_hub(tmp_path / "mine") as hub:
        with timed("hub plugins new"):
            await run(HUB, "plugins", "new", "hello", folder=plugins)
        with timed("edited, and live"):
            edit(hello / MODULE, "if plugin.", 'if recipient.local == "nobody" or plugin.')
            edit(hello / MODULE, "hello refuses everybody", "nobody is not here")
            await until(lambda: refused_by(hub, "nobody is not here"))
    with timed("tested"):
        assert "passed" in await run(HUB, "plugins", "test", folder=hello)
    with timed("wheel and registry"):
        made = await asyncio.to_thread(generate, write_list(listed, hello), shared, "--up-to", "loads")
        assert "hello 0.1.0: loads" in made.stdout, made.stderr
    async with AsyncExitStack() as stack:
        url = stack.enter_context(served(shared))
        their_hub = serving(tmp_path / "theirs", tables={"registry": {"url": url}})
        with timed("their hub, of two workers, is started"):
            crew = await stack.enter_async_context(their_hub)
        hub_plugins = (HUB, "-c", crew.folder / "hub.toml", "plugins")
        with timed("found by search"):
            found = await run(*hub_plugins, "search", "smtp_rcpt", folder=tmp_path)
            assert re.search(r"hello +0\.1\.0 +loads", found)
        with timed("found in the browser"):
            assert await asyncio.to_thread(browse, url, tmp_path / "chromium") == "hub plugins install hello"
        with timed("installed into both workers"):
            assert "serves" in await run(*hub_plugins, "install", "hello", folder=tmp_path)
            assert await answers(crew) == {"550 5.7.1 nobody is not here"}
        with timed("upgraded"):
            edit(hello / "pyproject.toml", "0.1.0", "0.2.0")
            edit(hello / MODULE, "nobody is not here", "nobody has moved")
            made = await asyncio.to_thread(generate, listed, shared, "--up-to", "loads")
            assert "hello 0.2.0: loads" in made.stdout, made.stderr
            assert "0.2.0 upgraded from 0.1.0" in await run(*hub_plugins, "upgrade", folder=tmp_path)
            assert await answers(crew) == {"550 5.7.1 nobody has moved"}
        with timed("removed"):
            await run(*hub_plugins, "remove", "hello", folder=tmp_path)
            assert not any("hello" in path.name for path in (crew.folder / "plugins.d").iterdir())
            (said,) = await answers(crew)
            assert "moved" not in said


def browse(url: str, profile: Path) -> object:
    """Look for a word, follow what is found, and read how it is installed."""
    with running_chromium(profile) as browser:
        browser.open(f"{url}?q=hello")
        browser.open(str(browser.run("document.querySelector('.plugins li:not([hidden]) a').href")))
        return browser.run("document.querySelector('.install').innerText")
