"""A rollback goes back to the plugins of before, in every worker, and says that it did."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from hub.testing.running import running_hub
from tests.crew import HUB, Crew, save, serving, until

from .conftest import ask
from .conftest import edit as edit_file

DEFER = '''"""Says {word}."""
from hub import Defer, hookimpl

@hookimpl
async def smtp_rcpt():
    return Defer("4.2.1", "{word}")
'''
TREE = """
[project]
name = "hub-plugin-tree"
version = "{version}"
[project.entry-points."hub.plugins"]
tree = "hub_plugin_tree"
"""


async def shown(folder: Path, *verb: str) -> str:
    """What a verb prints."""
    process = await asyncio.create_subprocess_exec(
        HUB,
        "-c",
        folder / "hub.toml",
        *verb,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def test_what_serves_and_what_is_on_disk_are_told_apart(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        file = hub.plugins_dir / "word.py"
        for word in ("one", "two"):
            save(file, DEFER.format(word=word))
            assert (await ask(hub, "reload"))["errors"] == []
        assert await hub.send() == (450, "4.2.1 two")
        report = await ask(hub, "rollback")
        assert report["rolled_back"] is True
        assert await hub.send() == (450, "4.2.1 one")
        assert "rolled back: what is on disk serves after the next save" in await shown(tmp_path, "status")
        assert "what is on disk now is not what serves" in await shown(tmp_path, "plugins")
        forth = await ask(hub, "rollback")  # and forth again, to what is on disk
        assert forth["rolled_back"] is False
        assert "rolled back" not in await shown(tmp_path, "status")
        assert "not what serves" not in await shown(tmp_path, "plugins")
        await ask(hub, "rollback")
        save(file, "def (")  # what cannot be loaded ends nothing
        assert (await ask(hub, "reload"))["rolled_back"] is True
        assert await hub.send() == (450, "4.2.1 one")
        edit_file(tmp_path / "hub.toml", ("hub = {", "smtp = {max_size = 4000}\nhub = {"))
        save(file, DEFER.format(word="six"))
        assert (await ask(hub, "reload"))["rolled_back"] is False
        assert await hub.send() == (450, "4.2.1 six")


async def answers(crew: Crew) -> set[str]:
    """What the workers say to a recipient."""
    found = set()
    for worker in range(2):
        async with crew.connected(worker) as client:
            found.add(await client.send("words"))
    return found


async def replace_worker(crew: Crew, number: int) -> None:
    """Kill it and wait for the next one."""
    restarts = (await crew.workers())[number]["restarts"]
    os.kill((await crew.pids())[number], signal.SIGKILL)

    async def replaced() -> bool:
        return await crew.all_serve() and (await crew.workers())[number]["restarts"] > restarts

    await until(replaced, 20)


@pytest.mark.proves(
    "operation: after `hub plugins rollback` a worker that is replaced has what the others have"
)
async def test_a_worker_that_starts_after_a_rollback_has_what_the_others_have(tmp_path: Path) -> None:
    async with serving(tmp_path) as crew:
        folder = tmp_path / "plugins.d"
        save(folder / "word.py", DEFER.format(word="one"))
        (folder / "gone.py").write_text('"""Goes."""\n')
        (folder / "tree").mkdir()
        (folder / "tree" / "hub_plugin_tree.py").write_text('"""A tree."""\n')
        (folder / "tree" / "pyproject.toml").write_text(TREE.format(version=1))
        assert (await crew.ask("reload"))["errors"] == []
        (folder / "gone.py").unlink()
        (folder / "tree" / "pyproject.toml").write_text(TREE.format(version=2))
        (folder / "new.py").write_text('"""Comes."""\n')
        save(folder / "word.py", DEFER.format(word="two"))
        assert (await crew.ask("reload"))["errors"] == []
        assert await answers(crew) == {"450 4.2.1 two"}
        assert (await crew.ask("rollback"))["rolled_back"] is True
        before = [(each["name"], each["version"]) for each in await plugins(crew)]
        for number in (1, 0):  # who watches the folders is the last one
            await replace_worker(crew, number)
        assert await answers(crew) == {"450 4.2.1 one"}
        assert [(each["name"], each["version"]) for each in await plugins(crew)] == before
        assert [each["name"] for each in await plugins(crew) if "differs" in each] == []
        assert [name for name, _ in before][3:] == ["gone", "tree", "word"]
        assert (await crew.ask("status"))["rolled_back"] is True
        save(folder / "word.py", DEFER.format(word="six"))

        async def ended() -> bool:
            return await answers(crew) == {"450 4.2.1 six"}

        await until(ended)
        assert (await crew.ask("status"))["rolled_back"] is False
        assert [each["name"] for each in await plugins(crew)][3:] == ["new", "tree", "word"]
        await replace_worker(crew, 1)
        assert await answers(crew) == {"450 4.2.1 six"}


async def plugins(crew: Crew) -> list[Mapping[str, object]]:
    return cast("list[Mapping[str, object]]", await crew.ask("plugins"))
