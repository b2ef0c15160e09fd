"""What every plugin of this repository does, whatever it is for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from hub.testing.checking import Fault, check_all
from tests.soak import Soak

ROOT: Final = Path(__file__).parents[2]
PLUGINS: Final = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
EXAMPLES: Final = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
SITE: Final = sysconfig.get_path("purelib")

BUILD: Final = """
import sys
from hatchling.builders.wheel import WheelBuilder
for root in sys.argv[2:]:
    list(WheelBuilder(root).build(directory=sys.argv[1], versions=["standard"]))
"""
LOAD: Final = """
import asyncio, sys
from pathlib import Path
from hub.testing.project import open_project
from hub.testing.running import running_hub

async def main():
    plugins = [open_project(Path(path)) for path in sys.argv[2:]]
    settings = {each.name: each.settings for each in plugins}
    tables = {"hub": {"plugins": list(settings)}, "plugins": settings}
    async with running_hub(Path(sys.argv[1]), tables=tables) as hub:
        assert (await hub.send())[0] in (250, 451)
        for each in hub.hub.loader.plugins():
            print("LOADED", each["name"], each["kind"], each["source"])

asyncio.run(main())
"""


TEST: Final = """
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def run_isolated(wheels: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that sees what the wheels hold and the libraries.

    `-S` runs no .pth file, so that nothing is there because it is installed editable.
    """
    paths = f"import sys\nsys.path[:0] = [{str(wheels)!r}]\nsys.path += [{SITE!r}, {str(ROOT)!r}]\n"
    command = [sys.executable, "-I", "-S", "-c", paths + code, *arguments]
    return subprocess.run(command, cwd=wheels, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def faults() -> Mapping[Path, list[Fault]]:
    """What `hub plugins check` says of all of them."""
    return check_all([*PLUGINS, *EXAMPLES], types=False)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the hub and all plugins are unpacked from their wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-c", BUILD, str(folder / "built"), str(ROOT), *map(str, PLUGINS)]
    subprocess.run(command, check=True, capture_output=True)
    found = sorted((folder / "built").glob("*.whl"))
    assert len(found) == len(PLUGINS) + 1
    for wheel in found:
        zipfile.ZipFile(wheel).extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.proves("plugins: each loads alone, survives reloads, and leaves no task, thread, socket or file")
@pytest.mark.parametrize("plugin", [*PLUGINS, *EXAMPLES], ids=lambda path: path.name)
def test_it_loads_alone_survives_reloads_leaves_nothing_and_is_documented(
    plugin: Path, faults: Mapping[Path, list[Fault]]
) -> None:
    assert [str(fault) for fault in faults[plugin] if not fault.is_warning] == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_it_is_named_after_its_folder_and_registered(plugin: Path) -> None:
    assert f'\nname = "hub-plugin-{plugin.name}"\n' in (plugin / "pyproject.toml").read_text()
    registry = (ROOT / "plugin-registry" / "registry.toml").read_text()
    assert re.search(rf'["/]{plugin.name}"', registry)


def test_all_load_from_their_wheels_where_nothing_else_is(wheels: Path, tmp_path: Path) -> None:
    run = run_isolated(wheels, LOAD, str(tmp_path), *map(str, PLUGINS))
    assert run.returncode == 0, run.stderr
    lines = [line.split()[1:] for line in run.stdout.splitlines() if line.startswith("LOADED ")]
    assert lines == [[path.name, "installed", str(wheels)] for path in PLUGINS]


@pytest.mark.soak
def test_the_wheel_passes_the_tests_of_its_plugin(wheels: Path, soak: Soak) -> None:
    first = ROOT / "plugins" / "helo-checks"
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-p", "no:cacheprovider", "-q"]
    plugins = PLUGINS if soak.long else [first]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(lambda plugin: run_isolated(wheels, TEST, *config, str(plugin / "tests")), plugins)
    for plugin, run in zip(plugins, runs, strict=True):
        assert run.returncode == 0, run.stdout + run.stderr
        soak.found(f"tests of {plugin.name} on its wheel", run.stdout.strip().splitlines()[-1])
