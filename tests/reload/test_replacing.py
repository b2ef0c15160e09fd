"""Every way in which people and programs replace a plugin, with a real watcher and a real mail."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.loading.watching import LATEST
from hub.testing.running import RunningHub, running_hub

from .conftest import ask, until

DEFER = '''"""Says one word to each recipient."""
from hub import Defer, StashKey, hookimpl

BEFORE = StashKey()

@hookimpl
async def plugin_start(plugin):
    plugin.stash[BEFORE] = []

@hookimpl
def plugin_handover(plugin, old):
    plugin.stash[BEFORE] = [*old.stash[BEFORE], old.stash[WORD]]

WORD = StashKey()

@hookimpl
async def smtp_rcpt(plugin):
    plugin.stash[WORD] = "{word}"
    return Defer("4.2.1", "{word} after " + (",".join(plugin.stash[BEFORE]) or "nobody"))
'''


async def says(hub: RunningHub, word: str | None) -> str:
    """Wait until the plugin's answer begins with the word, or with None until nobody answers; the answer."""

    async def answers() -> str:
        code, text = await hub.send()
        right = code == 250 if word is None else text.startswith(f"4.2.1 {word} ")
        return text if right else ""

    return await until(answers)


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


def by_rename(file: Path, text: str) -> None:
    beside = file.with_suffix(".tmp")
    beside.write_text(text)
    beside.replace(file)


def as_vim(file: Path, text: str) -> None:
    """Its backup takes the file's name away, and a new file gets it (`backupcopy=no`)."""
    if file.exists():
        file.rename(file.with_name(file.name + "~"))
    file.write_text(text)
    file.with_name(file.name + "~").unlink(missing_ok=True)


def as_emacs(file: Path, text: str) -> None:
    """A lock that is a dangling link, a backup that is a copy, then in place."""
    lock = file.with_name(f".#{file.name}")
    lock.symlink_to("someone@somewhere.1:2")
    if file.exists():
        shutil.copy2(file, file.with_name(file.name + "~"))
    file.write_text(text)
    lock.unlink()


def by_hard_link(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    file.unlink(missing_ok=True)
    os.link(beside, file)
    beside.unlink()


def config_map(file: Path, text: str) -> None:
    """As Kubernetes mounts one: `..data` is pointed to another folder."""
    folder = file.parent
    version = folder / f"..2026_{sum(1 for _ in folder.iterdir())}"
    version.mkdir()
    (version / file.name).write_text(text)
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").replace(folder / "..data")
    if not file.is_symlink():
        file.symlink_to(f"..data/{file.name}")


def folder_anew(file: Path, text: str) -> None:
    """The whole folder is removed, and one of that name is moved in."""
    other = file.parent.with_name("other")
    other.mkdir(mode=0o700)
    (other / file.name).write_text(text)
    shutil.rmtree(file.parent)
    other.rename(file.parent)


@pytest.mark.proves("plugins: however an editor or a program replaces one, it is live and has its state")
@pytest.mark.parametrize(
    "replace", [in_place, by_rename, as_vim, as_emacs, by_hard_link, config_map, folder_anew]
)
async def test_a_replaced_plugin_is_live_with_the_state_of_the_old_one(
    tmp_path: Path, replace: Callable[[Path, str], None]
) -> None:
    async with running_hub(tmp_path) as hub:
        file = hub.plugins_dir / "word.py"
        for number, word in enumerate(("one", "two", "six")):  # of the same length
            replace(file, DEFER.format(word=word))
            said = await says(hub, word)
            assert said == f"4.2.1 {word} after {','.join(('one', 'two')[:number]) or 'nobody'}"
        shutil.rmtree(file.parent) if replace is folder_anew else file.unlink()
        await says(hub, None)


async def test_two_saves_of_the_same_length_in_one_second_are_two(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        file = hub.plugins_dir / "word.py"
        for word in ("aaa", "bbb", "ccc"):
            file.write_text(DEFER.format(word=word))
            os.utime(file, (1_000_000_000, 1_000_000_000))  # a clock that sees no difference
            await says(hub, word)


async def test_a_file_that_is_written_in_pieces_is_loaded_when_it_is_whole(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        file = hub.plugins_dir / "word.py"
        with capture_logs() as log:
            for word in ("one", "two"):
                text = DEFER.format(word=word)
                with file.open("w") as writing:
                    for part in (text[:200], text[200:400], text[400:]):
                        writing.write(part)
                        writing.flush()
                        await asyncio.sleep(LATEST / 2)
                await says(hub, word)
        assert not [line for line in log if line["event"] == "reload refused"]


async def test_pieces_that_are_each_closed_are_refused_until_all_are_there(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        file = hub.plugins_dir / "word.py"
        in_place(file, DEFER.format(word="one"))
        await says(hub, "one")
        text = DEFER.format(word="two")
        half = text.index("Defer(") + len("Defer(")
        with capture_logs() as log:
            in_place(file, text[:half])

            async def refused() -> list[object]:
                return [line for line in log if line["event"] == "reload refused"]

            await until(refused)
        await says(hub, "one")
        with file.open("a") as more:
            more.write(text[half:])
        await says(hub, "two")


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "hub-plugin-word"
version = "{version}"
[project.entry-points."hub.plugins"]
word = "hub_plugin_word"
[tool.hatch.build.targets.wheel]
include = ["hub_plugin_word.py"]
"""


def pip_install(source: Path, target: Path, word: str, version: int) -> None:
    """`pip install --target`, offline."""
    source.mkdir(exist_ok=True)
    (source / "pyproject.toml").write_text(PROJECT.format(version=version))
    (source / "hub_plugin_word.py").write_text(DEFER.format(word=word))
    options = "--no-deps --no-build-isolation --no-index --disable-pip-version-check --quiet --upgrade"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options.split(), "--target", str(target), str(source)],
        check=True,
        capture_output=True,
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    )


@pytest.mark.parametrize("below", ["", "word"])
async def test_pip_install_target_into_a_watched_folder(tmp_path: Path, below: str) -> None:
    async with running_hub(tmp_path) as hub:
        for number, word in enumerate(("one", "two"), 1):
            await asyncio.to_thread(pip_install, tmp_path / "source", hub.plugins_dir / below, word, number)
            await says(hub, word)
            plugins = await ask(hub, "plugins")
            assert [(each["kind"], each["version"]) for each in plugins][-1] == ("installed", str(number))  # type: ignore[index]
