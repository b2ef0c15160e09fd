"""What a process cannot change is said, and takes effect with new workers, which cost no mail."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from hub.loading.importing import PluginFinder
from hub.testing.load import mail_load
from hub.testing.running import running_hub
from tests.crew import HUB, Crew, serving

from .conftest import ask, edit

PROJECT = """
[project]
name = "hub-plugin-user"
version = "1"
dependencies = ["mail-hub", "Some.Library>=1", "not-there"]
[project.entry-points."hub.plugins"]
user = "hub_plugin_user"
"""


def library(folder: Path, version: str) -> None:
    """What pip leaves of a library when it installs another version."""
    for old in folder.glob("*.dist-info"):
        shutil.rmtree(old)
    info = folder / f"some_library-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: some-library\nVersion: {version}\n")
    (folder / "some_library.py").write_text(f"version = '{version}'\n")


def project(folder: Path, text: str) -> Path:
    """A source tree with a package."""
    package = folder / "user" / "hub_plugin_user"
    package.mkdir(parents=True)
    (folder / "user" / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").write_text(text)
    return package


async def test_another_version_of_an_imported_library_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    library(tmp_path / "lib", "1.0")
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    project(tmp_path / "plugins.d", '"""Uses a library."""\nimport some_library\n')
    try:
        async with running_hub(tmp_path) as hub:
            assert (await ask(hub, "reload"))["restart_needed"] == []
            library(tmp_path / "lib", "2.0")
            said = ["some-library 2.0, of which 1.0 is imported"]
            assert (await ask(hub, "reload"))["restart_needed"] == said
            assert (await ask(hub, "preview"))["restart_needed"] == said
            assert (await hub.send())[0] == 250
    finally:
        sys.modules.pop("some_library", None)


async def test_a_plugin_with_modules_in_c_stays_as_it_is_until_there_are_new_workers(tmp_path: Path) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    package = project(tmp_path / "plugins.d", '"""One."""\nfrom hub_plugin_user import _heapq\n')
    found = importlib.util.find_spec("_heapq")
    assert found is not None
    assert found.origin is not None
    if not found.origin.endswith(".so"):
        pytest.skip("this Python has no modules in C that can be copied")
    shutil.copy(found.origin, package)
    async with running_hub(tmp_path) as hub:
        (package / "__init__.py").write_text('"""Two."""\nfrom hub_plugin_user import _heapq\n')
        report = await ask(hub, "reload")
        assert report["errors"] == []
        assert report["restart_needed"] == ["user, which has modules in C"]
        plugins = await ask(hub, "plugins")
        assert [(each["summary"], each["on_disk"]) for each in plugins][-1] == ("One.", "other")  # type: ignore[index]
    assert not any(isinstance(finder, PluginFinder) for finder in sys.meta_path)


async def told(folder: Path, *options: str) -> tuple[int | None, str]:
    """Exit code and output of `hub reload`."""
    process = await asyncio.create_subprocess_exec(
        HUB, "-c", folder / "hub.toml", "reload", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.mark.proves(
    "operation: `hub reload --workers` replaces every process, and no mail is lost or doubled"
)
async def test_every_worker_is_replaced_while_mail_flows(tmp_path: Path) -> None:
    async with serving(tmp_path, tables={"smtp": {"max_commands": 1_000_000}}) as crew:
        before = await crew.pids()
        async with mail_load(await crew.port("smtp"), sessions=10) as load:
            await load.until_accepted(10)
            code, said = await told(tmp_path, "--workers")
            assert (code, said.splitlines()[0]) == (0, "2 workers replaced")
            await load.until_accepted(10)
        assert set(before).isdisjoint(await crew.pids())
        assert await crew.all_serve()
        assert {reply[:9] for reply in load.refused.values()} <= {"421 4.3.2"}  # said by who takes leave
        assert load.unanswered == set()
        found = await numbers(crew)
        assert sorted(found) == sorted(load.accepted)


async def numbers(crew: Crew) -> list[int]:
    """Of the messages that were delivered."""
    return [int(subject) for subject, count in (await crew.subjects()).items() for _ in range(count)]


async def test_a_hub_of_one_process_says_that_it_has_no_workers(tmp_path: Path) -> None:
    async with running_hub(tmp_path):
        code, said = await told(tmp_path, "--workers")
        assert code == 1
        assert "this hub is one process, with no workers to replace: start it anew" in said


@pytest.mark.proves("configuration: `hub reload --dry-run` says what would change, and changes nothing")
async def test_a_dry_run_says_what_would_change(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        # Of two files in one save the configuration is refused, so that nothing is live before it is asked.
        (tmp_path / "plugins.d" / "two.py").write_text('raise SystemExit("it was imported")')
        edit(tmp_path / "hub.toml", ("hub = {", "smtp = {max_size = 4000}\nhub = {workers = 9, "))
        code, said = await told(tmp_path, "--dry-run")
        assert (code, said.splitlines()) == (
            0,
            [
                "smtp.max_size: 50000000 → 4000  (hub.toml:2)",
                "two: added",
                "takes effect with a new start of the hub: hub.workers",
                "nothing was changed",
            ],
        )
        assert hub.hub.kernel.generations.current.number == 1
        edit(tmp_path / "hub.toml", ("max_size", "max_sizes"))
        report = await ask(hub, "preview")
        assert "hub.toml:2: smtp.max_sizes: unknown key. Did you mean 'max_size'?" in str(report["errors"])
